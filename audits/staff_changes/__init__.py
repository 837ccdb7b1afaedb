"""Somebody leaves, or joins: one workflow each, until an audit finds all as it should be.

| module | what |
| --- | --- |
| `facts` | what is known of one change (pure) |
| `checklist`, `leaving`, `joining`, `common`, `items` | what is to be done, by that (pure) |
| `look` | what one audit says of somebody whose change is under way (pure) |
| `models`, `sights` | the changes, and what audits saw of them last |
| `reading`, `movements` | the facts of many changes, in a constant number of queries |
| `services` | begin, close, drop; what follows an audit |
| `admin/` | the list, a page per change, and the ways to them |
"""
