from django.apps import AppConfig


class AuditsConfig(AppConfig):
    name = "audits"
    verbose_name = "Audits"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from audits.remediation.kinds import register_kinds
        from audits.sign_in import look_again
        from audits.whereabouts import recall
        from telegram_ops import memory
        from telegram_ops.signals import signed_in

        register_kinds()
        signed_in.connect(look_again, dispatch_uid="audits.sign_in")
        memory.provide(recall)
