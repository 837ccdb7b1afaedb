"""Sign a Telegram account in, on a terminal: the steps of the admin's page, one question each."""

from __future__ import annotations

import getpass
import sys
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.management.base import CommandError, CommandParser

from members.management.base import ExitCode, PlainCommand
from members.management.writing import command_line_actor
from members.platforms.sign_in import CODE_WRONG, PASSWORD_WRONG
from telegram_ops import gateway, signin
from telegram_ops.account_page import load_account_page
from telegram_ops.models import AccountState, TelegramAccount, is_phone_number
from telegram_ops.signin import SignInRefused, Step

TRIES = 3
"""How often a wrong code or password may be corrected before the command gives up."""


class Command(PlainCommand):
    help = "Sign a Telegram account in: Telegram sends a code, and may ask for the two-step password."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--account", metavar="LABEL", help="Which one; made if there is none. Default: the one in use."
        )
        parser.add_argument("--phone", help="Its number, like +15550000101. Default: TELEGRAM_PHONE.")

    def handle(self, *args: Any, **options: Any) -> None:
        self._actor = command_line_actor().name
        account = self._account(options["account"], options["phone"])
        if account.state == AccountState.SIGNED_IN:
            self.stdout.write(f"{account} is signed in as {account.person} already.")
        tries = 0
        while account.state != AccountState.SIGNED_IN:
            try:
                self._tell(self._next_step(account, options["phone"]))
            except SignInRefused as refusal:
                tries += 1
                if refusal.code not in (CODE_WRONG, PASSWORD_WRONG) or tries == TRIES:
                    raise CommandError(str(refusal), returncode=ExitCode.NOT_CONFIGURED) from None
                self.stderr.write(str(refusal))
            account.refresh_from_db()
        if gateway.uses_environment():
            self.stderr.write("TELEGRAM_SESSION is set and wins: take it out of .env to use this account.")
        self.write_json(
            options["json"],
            {
                "account": account.label,
                "state": account.state,
                "user": {"id": str(account.user_id), "username": account.username, "name": account.name},
            },
        )

    def _next_step(self, account: TelegramAccount, phone: str | None) -> Step:
        """Ask for what the account's state wants, and do it."""
        actor = self._actor
        match account.state:
            case AccountState.CODE_SENT:
                code = self._answer(account, "Code (empty: send it again): ")
                return (
                    signin.enter_code(account_id=account.pk, actor=actor, code=code)
                    if code
                    else signin.resend_code(account_id=account.pk, actor=actor)
                )
            case AccountState.PASSWORD_NEEDED:
                hint = load_account_page(account).password_hint
                question = f"Two-step password{f' (hint: {hint})' if hint else ''}: "
                return signin.enter_password(
                    account_id=account.pk, actor=actor, password=self._answer(account, question, hidden=True)
                )
            case AccountState.OTHER_PERSON:
                found = load_account_page(account).found
                question = f"This was {account.person}; now {found} signed in. Use {found} (yes/no)? "
                if self._answer(account, question).lower() in ("y", "yes"):
                    return signin.accept_other_person(account_id=account.pk, actor=actor)
                self._tell(signin.give_up(account_id=account.pk, actor=actor))
                raise SignInRefused("Nobody is signed in.")
        return signin.send_code(account_id=account.pk, actor=actor, phone=phone or account.phone)

    def _answer(self, account: TelegramAccount, question: str, *, hidden: bool = False) -> str:
        """A line from the terminal, or from a pipe. Nothing of it is logged."""
        try:
            if not sys.stdin.isatty():
                return _line(sys.stdin.readline())
            return getpass.getpass(question) if hidden else _line(input(question) + "\n")
        except EOFError:
            raise SignInRefused(
                f"The sign-in is not finished: run the command again to go on with “{account}”."
            ) from None

    def _account(self, label: str | None, phone: str | None) -> TelegramAccount:
        accounts = TelegramAccount.objects.all()
        found = accounts.filter(label=label) if label else accounts.filter(is_default=True) or accounts
        if phone:
            _check(is_phone_number, phone)
        if account := found.first():
            return account
        phone = phone or settings.TELEGRAM_PHONE
        if not phone:
            raise CommandError(
                "Say whose account it is: give --phone, or set TELEGRAM_PHONE.",
                returncode=ExitCode.NOT_CONFIGURED,
            )
        account = TelegramAccount(label=label or "Main", phone=phone)
        _check(account.full_clean)
        account.save()
        return account

    def _tell(self, step: Step) -> None:
        self.stdout.write(step.message)
        for link in step.went_on:
            self.stdout.write(f"{link.relation} {link.label}")
        if step.warning:
            self.stderr.write(step.warning)


def _check(validate: Callable[..., None], *values: str) -> None:
    """Raises CommandError with the first thing that is wrong."""
    try:
        validate(*values)
    except ValidationError as error:
        raise CommandError(error.messages[0], returncode=ExitCode.USAGE) from None


def _line(text: str) -> str:
    """Raises EOFError at the end of the input."""
    if not text:
        raise EOFError
    return text.strip()
