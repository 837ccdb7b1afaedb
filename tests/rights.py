"""Which role it takes at least, for every page and every action there is."""

from __future__ import annotations

from collections.abc import Iterator

from groupadmin.roles import ROLES

PEOPLE = ("staff", *map(str.lower, ROLES))
"""Whoever is signed in without a role, and the roles, from the least to the most."""

MODELS = """
# rows                            see       add       change    delete    what else there is
auth_group                        auditor   owner     owner     owner
auth_user                         auditor   owner     owner     nobody    password
audits_auditrun                   auditor   nobody    nobody    nobody
audits_exclusionrequest           auditor   operator  nobody    nobody
audits_finding                    auditor   nobody    nobody    nobody    export
audits_groupresult                auditor   nobody    nobody    nobody
audits_powerlessgroup             auditor   nobody    nobody    nobody    export
events_liveevent                  auditor   nobody    nobody    nobody
evidence_evidencepack             auditor   nobody    nobody    nobody
evidence_recordpurge              auditor   nobody    nobody    nobody
groupadmin_apitoken               auditor   owner     nobody    nobody
groupadmin_schedule               auditor   operator  operator  operator
history_conversation              auditor   nobody    nobody    nobody
history_exportjob                 auditor   nobody    nobody    nobody
history_liveliness                auditor   nobody    nobody    nobody
history_purge                     auditor   nobody    nobody    nobody
history_retentionperiod           auditor   owner     owner     owner     versions
history_syncjob                   auditor   nobody    nobody    nobody
members_category                  auditor   operator  operator  operator  import export versions
members_customer                  auditor   operator  operator  operator  import export versions
members_employee                  auditor   operator  operator  operator  import export versions
members_exclusion                 auditor   operator  operator  operator  import export versions
members_group                     auditor   nobody    operator  nobody    import export versions
members_membershiprule            auditor   operator  operator  operator  import export versions
members_namingrule                auditor   operator  operator  operator  import export versions
members_scopeline                 auditor   operator  operator  operator  import export versions
members_slackworkspace            auditor   owner     nobody    owner
members_team                      auditor   operator  operator  operator  import export versions
notices_notice                    auditor   nobody    nobody    nobody
operations_activityevent          auditor   nobody    nobody    nobody
operations_operation              auditor   nobody    nobody    nobody
operations_step                   auditor   nobody    nobody    nobody
staff_changes_staffchange         auditor   nobody    nobody    nobody
telegram_ops_ownershiprequest     auditor   nobody    operator  nobody    export
telegram_ops_ownershiptemplate    auditor   operator  operator  operator  versions
telegram_ops_telegramaccount      auditor   owner     nobody    owner
whitelist_communitymember         auditor   nobody    nobody    nobody    export
whitelist_featureflag             auditor   nobody    nobody    nobody
whitelist_seedingjob              auditor   nobody    nobody    nobody
whitelist_subscriber              auditor   operator  operator  nobody    import export
whitelist_subscription            auditor   operator  operator  nobody    import export
whitelist_whitelistentry          auditor   operator  nobody    nobody    import export
"""

PAGES = """
# page                                    to look   to send       – there is no such thing
app_list                                  auditor   auditor
autocomplete                              auditor   –
community_person                          auditor   –
community_report                          auditor   –
employee_trend                            auditor   –
find_person                               auditor   –
group_trend                               auditor   –
index                                     staff     staff
my_groups                                 staff     –
password_change                           staff     staff
password_change_done                      staff     –
recovery_codes                            –         staff
remove_person                             operator  operator
search_messages                           auditor   –
second_factor                             staff     staff
second_factor_setup                       staff     staff
trends                                    auditor   –
view_on_site                              nobody    nobody

auth_user_reset_second_factor             owner     owner
audits_auditrun_add_missing               –         operator
audits_auditrun_compare                   auditor   –
audits_auditrun_pdf                       auditor   –
audits_auditrun_print                     auditor   –
audits_auditrun_cancel                    –         operator
audits_auditrun_progress                  auditor   –
audits_auditrun_report                    auditor   –
audits_auditrun_reports                   –         operator
audits_auditrun_start                     operator  operator
audits_exclusionrequest_decide            –         operator
audits_finding_accept                     operator  operator
groupadmin_apitoken_revoke                owner     owner
evidence_evidencepack_cancel              –         auditor
evidence_evidencepack_download            auditor   –
evidence_evidencepack_new                 auditor   auditor
evidence_evidencepack_progress            auditor   –
evidence_evidencepack_verify              –         auditor
evidence_recordpurge_preview              auditor   owner
history_conversation_keep                 –         operator
history_exportjob_cancel                  –         operator
history_exportjob_download                operator  –
history_exportjob_new                     operator  operator
history_exportjob_progress                auditor   –
history_liveliness_xlsx                   auditor   –
history_syncjob_cancel                    –         operator
history_syncjob_new                       operator  operator
history_syncjob_progress                  auditor   –
members_customer_match                    operator  operator
members_customer_xlsx                     auditor   –
members_employee_whereabouts              auditor   –
members_group_rename                      auditor   operator
members_slackworkspace_check              –         owner
members_slackworkspace_token              owner     owner
members_slackworkspace_use                owner     owner
notices_notice_again                      –         operator
notices_notice_settings                   auditor   operator
notices_notice_test                       –         operator
operations_activityevent_verify           –         auditor
operations_operation_again                –         operator
operations_operation_cancel               –         operator
operations_operation_confirm              –         operator
operations_operation_invite               –         operator
operations_operation_progress             auditor   –
operations_operation_report               auditor   –
operations_operation_resume               –         operator
operations_operation_retry                –         operator
operations_operation_undo                 –         operator
staff_changes_staffchange_add_missing     –         operator
staff_changes_staffchange_begin           operator  operator
staff_changes_staffchange_close           –         operator
staff_changes_staffchange_drop            operator  operator
telegram_ops_ownershiprequest_ask         operator  operator
telegram_ops_ownershiprequest_messages    auditor   –
telegram_ops_ownershiprequest_people      auditor   –
telegram_ops_ownershiprequest_sent        –         operator
telegram_ops_ownershiptemplate_preview    –         auditor
telegram_ops_telegramaccount_accept       –         owner
telegram_ops_telegramaccount_audited      owner     owner
telegram_ops_telegramaccount_code         –         owner
telegram_ops_telegramaccount_give_up      –         owner
telegram_ops_telegramaccount_label        –         owner
telegram_ops_telegramaccount_password     –         owner
telegram_ops_telegramaccount_resend_code  –         owner
telegram_ops_telegramaccount_send_code    –         owner
telegram_ops_telegramaccount_sign_out     owner     owner
telegram_ops_telegramaccount_use          owner     owner
whitelist_featureflag_kicks_off           –         operator
whitelist_featureflag_kicks_on            –         owner
whitelist_featureflag_preflight           –         owner
whitelist_featureflag_sweep               –         operator
whitelist_seedingjob_cancel               –         operator
whitelist_seedingjob_confirm              –         operator
whitelist_seedingjob_preview              –         operator
whitelist_seedingjob_progress             auditor   –
"""

ACTIONS = """
# list                          at least  what can be done with chosen rows
audits.finding                  operator  add_missing remove_leavers rename
audits.groupresult              operator  add_missing
audits.powerlessgroup           operator  ask_owners
auth.group                      owner     delete_selected
groupadmin.schedule             operator  switch_off switch_on
history.conversation            operator  export_history fetch keep_up_to_date stop_keeping
history.retentionperiod         owner     delete_selected
members.employee                operator  add_to_groups delete_selected mark_active mark_offboarded
members.exclusion               operator  delete_selected
members.group                   operator  add_missing add_people ask_owners pin_category rename unpin_category
members.group                   operator  set_customer
members.group                   operator  export_history fetch keep_up_to_date stop_keeping
members.membershiprule          operator  delete_selected
members.namingrule              operator  delete_selected
members.scopeline               operator  delete_selected
members.team                    operator  add_to_groups delete_selected
telegram_ops.ownershiprequest   operator  refuse remind reopen
telegram_ops.ownershiptemplate  operator  delete_selected
whitelist.whitelistentry        operator  revive
whitelist.whitelistentry        owner     burn
"""
OPEN_TO_ALL = {"login", "logout", "jsi18n"}


def table(text: str) -> Iterator[list[str]]:
    """The words of each line that is no heading."""
    return (line.split() for line in text.splitlines() if line and not line.startswith("#"))


def levels() -> dict[str, tuple[str, str]]:
    """For each page by its name: the role that it takes to look, and to send something."""
    found: dict[str, tuple[str, str]] = {}
    for name, see, add, change, delete, *others in table(MODELS):
        found |= {
            f"{name}_changelist": (see, see),
            f"{name}_history": (see, see),
            f"{name}_add": (add, add),
            f"{name}_change": (see, change),
            f"{name}_delete": (delete, delete),
        }
        into = change if add == "nobody" else add
        for other in others:
            found |= {
                "password": {f"{name}_password_change": (change, change)},
                "export": {f"{name}_export": (see, see)},
                "import": {f"{name}_import": (into, into), f"{name}_process_import": ("–", into)},
                "versions": {f"{name}_simple_history": (see, change)},
            }[other]
    return found | {name: (look, send) for name, look, send in table(PAGES)}


def actions() -> set[tuple[str, str, str]]:
    """Each action as list, name, and the role that it takes."""
    return {(rows, name, least) for rows, least, *names in table(ACTIONS) for name in names}
