from django.apps import AppConfig


class MembersConfig(AppConfig):
    name = "members"
    verbose_name = "People and groups"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from members.operations import connections
        from members.operations.connections import SlackAccount
        from members.platforms.types import Platform
        from members.workspaces import services

        connections.register(
            Platform.SLACK,
            lambda connection: SlackAccount(services.Access(connection).config),
            services.label_of,
        )
        connections.register_routes(services.routes)
