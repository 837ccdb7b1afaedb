"""The two-step password: https://core.telegram.org/api/srp"""

from __future__ import annotations

import os
from typing import Any

from telethon.tl import functions, types

from groupadmin.sandbox.telegram import srp
from groupadmin.sandbox.telegram.dispatch import Call, answers
from groupadmin.sandbox.telegram.errors import RpcError
from groupadmin.sandbox.telegram.handlers.auth import signed_in


@answers(functions.account.GetPasswordRequest, anonymous=True, bots=False)
def get_password(call: Call, request: Any) -> Any:
    authorization = call.authorization
    user_id = authorization.awaiting_password or call.viewer
    common = {
        "new_algo": srp.new_algorithm(),
        "new_secure_algo": types.SecurePasswordKdfAlgoUnknown(),
        "secure_random": os.urandom(16),
    }
    verifier = call.backend.verifier_of(user_id)
    if verifier is None:
        return types.account.Password(**common)
    check = authorization.password_check = srp.PasswordCheck(verifier)
    return types.account.Password(
        has_password=True,
        current_algo=check.algorithm,
        srp_B=check.public,
        srp_id=check.id,
        hint=call.world.users[user_id].password_hint,
        **common,
    )


@answers(functions.auth.CheckPasswordRequest, anonymous=True, bots=False)
def check_password(call: Call, request: Any) -> Any:
    authorization, attempt = call.authorization, request.password
    check, authorization.password_check = authorization.password_check, None
    if authorization.awaiting_password is None:
        raise RpcError("AUTH_KEY_UNREGISTERED")
    if not isinstance(attempt, types.InputCheckPasswordSRP):
        raise RpcError("PASSWORD_HASH_INVALID")
    if check is None or check.id != attempt.srp_id:
        raise RpcError("SRP_ID_INVALID")
    if not check.accepts(attempt.A, attempt.M1):
        raise RpcError("PASSWORD_HASH_INVALID")
    return signed_in(call, authorization.awaiting_password)
