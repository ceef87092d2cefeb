"""A strict reader of pages: every tag closed, and what a test wants to know about them."""

from html.parser import HTMLParser

VOID = {"meta", "br", "hr", "img", "input", "link"}


class Page(HTMLParser):
    """The tags, ids, links and text of a page; fails where a tag stays open."""

    def __init__(self, text: str):
        super().__init__()
        self.open_tags, self.tags, self.ids, self.links = [], [], [], []
        self.rows, self.text = [], ""
        self.feed(text)
        self.close()
        assert self.open_tags == [], f"never closed: {self.open_tags}"

    def handle_starttag(self, tag, attributes):
        self.handle_startendtag(tag, attributes)
        if tag not in VOID:
            self.open_tags.append(tag)
        if tag == "tr":
            self.rows.append({"class": dict(attributes).get("class"), "text": ""})

    def handle_startendtag(self, tag, attributes):
        values = dict(attributes)
        assert len(values) == len(attributes), f"an attribute stands twice in {tag}: {attributes}"
        self.tags.append((tag, values))
        self.ids += [values["id"]] if "id" in values else []
        names = ("src", "href", "xlink:href", "data", "action", "srcset")
        self.links += [values[name] for name in names if name in values]

    def handle_endtag(self, tag):
        assert self.open_tags and self.open_tags[-1] == tag, f"</{tag}> closes {self.open_tags}"
        self.open_tags.pop()

    def handle_data(self, data):
        if "style" in self.open_tags[-1:]:
            return
        self.text += data
        if "tr" in self.open_tags:
            self.rows[-1]["text"] += f"{data}|"

    def rows_of_class(self, name: str) -> list[str]:
        return [row["text"] for row in self.rows if row["class"] == name]
