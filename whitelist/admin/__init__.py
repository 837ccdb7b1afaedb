"""The admin of the gated community: who is protected, who pays, who is there, and the switch of the kicks."""

from whitelist.admin.entries import WhitelistEntryAdmin
from whitelist.admin.members import CommunityMemberAdmin
from whitelist.admin.seedings import SeedingJobAdmin
from whitelist.admin.subscribers import SubscriberAdmin
from whitelist.admin.subscriptions import SubscriptionAdmin
from whitelist.admin.switches import FeatureFlagAdmin

__all__ = [
    "CommunityMemberAdmin",
    "FeatureFlagAdmin",
    "SeedingJobAdmin",
    "SubscriberAdmin",
    "SubscriptionAdmin",
    "WhitelistEntryAdmin",
]
