from django.apps import AppConfig


class OperationsConfig(AppConfig):
    name = "members.operations"
    label = "operations"
    verbose_name = "Changes"
