"""The report: one HTML file that loads no other file and escapes all text."""

import re
from html.parser import HTMLParser

import pytest
from helpers import tiny_structures as tiny

from atomgraph.analysis.comparison import compare
from atomgraph.analysis.report.page import Code, Facts, Picture, Section, Text, html_page
from atomgraph.analysis.report.plots import line_plot
from atomgraph.analysis.report.style import svg_element
from atomgraph.analysis.report.training_report import write_report
from atomgraph.errors import FormatError

SCRIPT = "<script>alert('x')</script>"
VOID = {"meta", "br", "hr", "img", "input", "link"}


class Tags(HTMLParser):
    """Parser that checks the nesting of tags, and stores tags, identifiers and loaded files."""

    def __init__(self):
        super().__init__()
        self.open, self.seen, self.ids, self.loads = [], [], [], []

    def handle_starttag(self, tag, attrs):
        self.seen.append(tag)
        attributes = dict(attrs)
        self.ids += [attributes["id"]] if "id" in attributes else []
        self.loads += [v for k, v in attrs if k in {"src", "href", "xlink:href"} and not v.startswith(("#", "data:"))]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, f"</{tag}> closes something else"


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    potential = tiny.potential(
        metadata={"e0_origin": SCRIPT, "data": {"files": [SCRIPT]}, "split": {"seed": 1}, "versions": {"torch": SCRIPT}}
    )
    frames = tiny.labelled(tiny.structures(), tiny.potential(seed=5), types=(SCRIPT, "b"))
    history = [
        {"epoch": e, "train_loss": 1 / e, "valid_loss": 2 / e, "valid_forces_mae (eV/Å)": 1 / e} for e in range(1, 9)
    ]
    section = Section(
        SCRIPT, [Text(SCRIPT), Picture(line_plot({SCRIPT: ([1, 2], [1, 2])}, xlabel=SCRIPT, ylabel="y"), "eos", SCRIPT)]
    )
    path = write_report(
        tmp_path_factory.mktemp("run") / "report.html",
        title=SCRIPT,
        subtitle=SCRIPT,
        potential=potential,
        comparisons={"train": compare(potential, frames), "test": compare(potential, frames[:4])},
        history=history,
        config={"model": {"kind": SCRIPT}},
        training={"wall time": "3 s"},
        sections=[section],
    )
    return path.read_text(encoding="utf-8")


def test_tags_are_nested_and_identifiers_are_unique(report):
    tags = Tags()
    tags.feed(report)
    assert tags.open == [] and len(tags.ids) == len(set(tags.ids))


def test_the_report_loads_no_file_and_runs_no_script(report):
    tags = Tags()
    tags.feed(report)
    assert tags.loads == [] and not {"script", "link", "iframe", "object", "img"} & set(tags.seen)
    assert "default-src 'none'" in report and SCRIPT not in report and "@import" not in report


def test_the_report_has_all_sections_with_units(report):
    for words in ("Errors", "Learning", "The worst ten", "Potential", "Data", "Speed", "Configuration", "Versions"):
        assert f"<h2>{words}</h2>" in report
    for unit in ("meV/atom", "eV/Å", "GPa", "atoms/s", "threads, torch" if "threads" in report else "thread, torch"):
        assert unit in report
    assert report.index("tested on 4 structures (test)") < report.index("<h2>Errors</h2>")
    assert report.count('class="total"') == 2


def test_every_reference_inside_a_figure_exists(report):
    tags = Tags()
    tags.feed(report)
    pointed = set(re.findall(r"(?:url\(|href=\")#([^)\"]+)", report))
    assert pointed and pointed <= set(tags.ids)


def test_a_report_without_data_is_a_page(tmp_path):
    path = write_report(tmp_path / "report.html", potential=tiny.potential(), comparisons={})
    assert "<h2>Potential</h2>" in path.read_text(encoding="utf-8") and "<h2>Errors</h2>" not in path.read_text()


def test_unlabelled_structures_make_no_error_section(tmp_path):
    potential = tiny.potential()
    comparisons = {"test": compare(potential, tiny.structures())}
    words = write_report(tmp_path / "report.html", potential=potential, comparisons=comparisons).read_text()
    assert "<h2>Errors</h2>" not in words and "<h2>The worst ten</h2>" not in words


def test_a_report_that_cannot_be_written_is_an_error_in_one_line(tmp_path):
    with pytest.raises(FormatError, match="cannot write"):
        write_report(tmp_path / "no" / "report.html", potential=tiny.potential(), comparisons={})


def test_facts_without_a_value_are_omitted_and_zero_is_a_value():
    assert Facts({"a": None, "b": "", "c": []}).html() == "" and "<dd>0</dd>" in Facts({"d": 0}).html()


def test_code_is_shown_as_typed():
    assert Code("a: <b>\n  c").html() == '<pre tabindex="0"><code>a: &lt;b&gt;\n  c</code></pre>'


def test_a_page_without_sections_is_a_page():
    tags = Tags()
    tags.feed(html_page("t", []))
    assert "main" in tags.seen and tags.open == []


def test_the_same_figure_gives_the_same_bytes_in_the_colour_of_the_page():
    drawing = [svg_element(line_plot({"a": ([0, 1], [0, 1])}, xlabel="x", ylabel="y"), "one") for _ in range(2)]
    assert drawing[0] == drawing[1] and "currentColor" in drawing[0] and "#010203" not in drawing[0]
