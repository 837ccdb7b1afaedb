"""One invented company: its Slack, its Telegram, its policy file, and the truth about all three.

`company.py` puts it together, `tricky.py` makes one whose staff are hard to tell apart, `truth.py`
says what a right audit must find. Whoever tests the product measures it against that.
"""

from groupadmin.sandbox.company.community import Community, add_community
from groupadmin.sandbox.company.company import Company, build_company
from groupadmin.sandbox.company.size import Size
from groupadmin.sandbox.company.talk import add_talk
from groupadmin.sandbox.company.tricky import tricky_company
from groupadmin.sandbox.company.truth import GroupTruth, Identities, Truth, truth_of

__all__ = [
    "Community",
    "Company",
    "GroupTruth",
    "Identities",
    "Size",
    "Truth",
    "add_community",
    "add_talk",
    "build_company",
    "tricky_company",
    "truth_of",
]
