"""Names of people, customers and groups. Every one of them is obviously invented."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count, islice
from random import Random
from typing import NamedTuple


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


FIRST_NAMES = _words("""
    Abe Bea Cal Dot Eli Flo Gil Hew Ike Jin Kit Lev Meg Ned Ora Pat Quin Rae Sid Tao Una Van Wes Xia Yan Zoe
""")
LAST_NAMES = _words("""
    Example Sample Placeholder Specimen Mockup Fixture Dummy Template Demo Prototype Testcase Lorem Ipsum
""")
COMPANY_WORDS = _words("""
    Acme Northwind Amber Birch Copper Dune Ember Fjord Garnet Harbour Indigo Juniper Kestrel Lagoon Maple
    Nimbus Opal Pebble Quartz Raven Saffron Tundra Umber Velvet Willow Xenon Yarrow Zephyr Aspen Basalt Cedar
    Dahlia Elm Fern Granite Hazel Iris Jasper Kelp Lilac Marble Nutmeg Onyx Pine Reed Slate Thistle Violet
""")
COMPANY_SUFFIXES = _words("Example Sample Specimen Placeholder Mockup Dummy Prototype Testcase")
TOPICS = _words("budget hiring launch legal office payroll planning quality release roadmap security travel")
PLACES = _words("Atlantis Utopia Erewhon Lilliput Camelot Avalon Laputa Shangri-La")


class GroupName(NamedTuple):
    name: str
    category: str
    """The category it is meant to fall into; the policy's patterns must lead there too."""


def people(random: Random) -> Iterator[tuple[str, str]]:
    """First and last names without end; many are equal, as among real customers."""
    while True:
        yield random.choice(FIRST_NAMES), random.choice(LAST_NAMES)


def companies() -> Iterator[str]:
    """Customers without end, no two alike: "Acme Example", …, "Acme Example 2", …"""
    for round_number in count(1):
        for suffix in COMPANY_SUFFIXES:
            for word in COMPANY_WORDS:
                yield f"{word} {suffix}" + (f" {round_number}" if round_number > 1 else "")


CATEGORY_SHARES = {"marketing": 0.035, "internal": 0.02, "intro": 0.03, "community": 0.02, "special": 0.015}
"""Part of all groups in scope; the rest are customers."""

ODD_SLACK_NAMES = ("مثال-bitsafe", "größe-example-bitsafe", "例-example-bitsafe")
ODD_TELEGRAM_TITLES = (
    "\N{ROCKET} Rocket Example <> BitSafe (CBTC)",
    "=1+1 Formula Example <> iBTC",
    "شركة المثال <> BitSafe (CBTC)",
    "Bell\x07 Example <> BitSafe (CBTC)",
    "INTRO: Shouting Example x Marketing Sample",
)
"""Emoji, a spreadsheet formula, right-to-left text, a control character, and a name of two categories."""


SLACK_TEMPLATES = {
    "marketing": "{company} BitSafe Marketing",
    "internal": "BitSafe Internal {topic}",
    "intro": "Intro {company} BitSafe",
    "community": "BitSafe Community {place}",
    "special": "BitSafe Treasury Desk {number}",
}
TELEGRAM_TEMPLATES = {
    "marketing": "{company} x {product} Marketing",
    "internal": "{product} Internal {topic}",
    "intro": "Intro: {company} <> {product}",
    "community": "BitSafe Community {place}",
    "special": "BitSafe Treasury Desk {number}",
}
TELEGRAM_CUSTOMER_TITLES = ("{company} <> {product}", "{product} x {company}", "{company} | {product} pilot")


def slack_names(total: int) -> list[GroupName]:
    """The names of `total` channels in scope: unusual ones first, then a few per category, then customers."""
    names = [GroupName(name, "customer") for name in ODD_SLACK_NAMES]
    names += (GroupName(slug(name), category) for name, category in _by_category(total, SLACK_TEMPLATES))
    for index, company in enumerate(islice(companies(), total)):
        product = "iBTC BitSafe" if index % 40 == 5 else "BitSafe"
        names.append(GroupName(slug(f"{company} {product}"), "customer"))
    return names[:total]


def telegram_titles(total: int) -> list[GroupName]:
    """The same for `total` Telegram groups in scope; two in five carry the old product name."""
    titles = [GroupName(title, "intro" if "INTRO" in title else "customer") for title in ODD_TELEGRAM_TITLES]
    titles += _by_category(total, TELEGRAM_TEMPLATES)
    for index, company in enumerate(islice(companies(), total)):
        template = TELEGRAM_CUSTOMER_TITLES[index % len(TELEGRAM_CUSTOMER_TITLES)]
        titles.append(GroupName(template.format(company=company, product=_product(index)), "customer"))
    return titles[:total]


def slug(text: str) -> str:
    """As Slack writes channel names: lower case, no spaces."""
    return text.lower().replace(" ", "-")


def _product(index: int) -> str:
    if index % 5 not in (0, 2):
        return "BitSafe (CBTC)"
    return "ibtc" if index % 20 == 2 else "iBTC"


def _by_category(total: int, templates: dict[str, str]) -> Iterator[GroupName]:
    customers = companies()
    for category, share in CATEGORY_SHARES.items():
        for number in range(max(1, round(total * share))):
            name = templates[category].format(
                company=next(customers),
                topic=_nth(TOPICS, number),
                place=_nth(PLACES, number),
                number=number + 1,
                product=_product(number),
            )
            yield GroupName(name, category)


def _nth(words: tuple[str, ...], index: int) -> str:
    repeat, position = divmod(index, len(words))
    return words[position] + (f" {repeat + 1}" if repeat else "")
