"""A Slack workspace on the loopback interface, with the Web API as Slack documents it.

`world.py` is the data, `server.py` the entry point (`SlackSandbox`), `methods/` the API by topic,
`faults.py` what a script can do to an answer. Facts come from Slack's reference (docs.slack.dev).
"""

from groupadmin.sandbox.slack.server import SlackSandbox
from groupadmin.sandbox.slack.world import (
    SlackAppToken,
    SlackChannel,
    SlackFile,
    SlackToken,
    SlackUser,
    SlackWorld,
)

__all__ = [
    "SlackAppToken",
    "SlackChannel",
    "SlackFile",
    "SlackSandbox",
    "SlackToken",
    "SlackUser",
    "SlackWorld",
]
