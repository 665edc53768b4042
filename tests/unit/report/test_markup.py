from html.parser import HTMLParser

from ravine.report import _markup

FOREIGN = '<script>"&'


class Tags(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags, self.texts = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.texts.append(data)


def test_everything_foreign_is_escaped():
    parts = [
        _markup.table(FOREIGN, [FOREIGN], [[FOREIGN]]),
        _markup.facts_table(FOREIGN, [(FOREIGN, FOREIGN)]),
        _markup.section(FOREIGN, _markup.paragraphs([FOREIGN])),
        _markup.bullets([FOREIGN]),
        _markup.code(FOREIGN, FOREIGN),
        _markup.figure("<svg></svg>", FOREIGN),
    ]
    for part in parts:
        parsed = Tags(part)
        assert "script" not in {tag for tag, _ in parsed.tags}
        assert FOREIGN in "".join(parsed.texts)


def test_a_table_has_a_caption_and_scoped_heads_and_can_be_scrolled_by_keyboard():
    parsed = Tags(_markup.table("what", ["name", "value"], [["a", 1], ["b", 2]], numeric=(1,)))
    heads = [attrs["scope"] for tag, attrs in parsed.tags if tag == "th"]
    assert heads == ["col", "col", "row", "row"]
    assert "caption" in {tag for tag, _ in parsed.tags}
    assert parsed.tags[0] == ("div", {"class": "scroll", "role": "region", "aria-label": "what", "tabindex": "0"})
    assert [attrs.get("class") for tag, attrs in parsed.tags if tag == "td"] == ["number", "number"]


def test_what_is_empty_is_left_out():
    assert _markup.table("what", ["name"], []) == ""
    assert _markup.facts_table("what", [("label", "")]) == ""
    assert _markup.bullets([]) == ""
    assert _markup.section("Title", "", "") == ""


def test_a_section_is_named_by_its_heading():
    assert _markup.anchor("Time to target") == "time-to-target"
    (opening, heading) = Tags(_markup.section("Time to target", "x")).tags
    assert opening[1]["aria-labelledby"] == heading[1]["id"]
