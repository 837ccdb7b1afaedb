"""From what audits found to plans of additions and removals: the first users of `members.operations`.

| module | what |
| --- | --- |
| `selections` | what was asked for, as data that a stored operation keeps (pure) |
| `facts`, `reading` | what the latest audits and the policy say; the same from the database |
| `obstacles`, `draft` | why somebody is not to be added; a plan while it grows |
| `missing`, `people`, `pairs` | the planners: `plan_missing`, `plan_people`, `plan_removals` … |
| `invitations` | messages with invite links, for whom nobody may add |
| `recheck` | our own rules once more, right before each batch |
| `verification` | completeness of the touched groups before and after, and the audit that tells |
| `automatic` | what plans and confirms itself, and tells people about it |
| `follow_up` | what a recorded audit brings about |
| `kinds` | the kinds, as `AuditsConfig.ready()` registers them |
"""
