"""The page around every HTML report: one file that needs nothing else, on a screen, a phone, in the dark and on paper.

The script only adds a filter: without it everything is there and can be read. Nothing is said by colour alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from controller.reporting.formatting import format_count
from controller.untrusted_text import escape_control, is_web_address

STYLE = """
:root{color-scheme:light dark;--page:#fff;--text:#1b1f24;--quiet:#525b66;--line:#c9d1d9;--panel:#f4f6f8;--link:#0a54c4;
--critical:#a40e26;--critical-back:#ffe9e7;--warning:#7a4a00;--warning-back:#fff3d1;--info:#0b4a8f;--info-back:#e3f1ff;
--bar:#2f6fb4;--other:#8a5a00}
@media(prefers-color-scheme:dark){:root{--page:#0f1318;--text:#e6ebf0;--quiet:#a3adb8;--line:#3a434d;--panel:#191f26;
--link:#7db4ff;--critical:#ffb3ab;--critical-back:#4a1418;--warning:#ffd38a;--warning-back:#42300a;--info:#a9d3ff;
--info-back:#12304f;--bar:#6aa7e8;--other:#e0b35c}}
*{box-sizing:border-box}[hidden]{display:none!important}
body{margin:0 auto;max-width:76rem;padding:1.5rem;background:var(--page);color:var(--text);
font:16px/1.5 system-ui,-apple-system,"Segoe UI",sans-serif;overflow-wrap:anywhere}
h1{font-size:1.9rem;line-height:1.2;margin:.2rem 0 .8rem}h2{font-size:1.35rem;margin:2.2rem 0 .6rem}
h3{font-size:1.05rem;margin:0 0 .4rem}h1,h2,h3,td,th,li,a,dd,summary{unicode-bidi:isolate}
p{margin:.4rem 0}a{color:var(--link)}:focus-visible{outline:3px solid var(--link);outline-offset:2px}
.skip{position:absolute;left:-99rem}.skip:focus{left:1rem}
.lead{font-size:1.2rem;font-weight:600}.quiet{color:var(--quiet)}
dl.facts{display:grid;grid-template-columns:max-content 1fr;gap:.15rem 1rem;margin:0;color:var(--quiet)}
dl.facts dd{margin:0;color:var(--text)}
.tiles{display:flex;flex-wrap:wrap;gap:.8rem;padding:0;list-style:none;margin:1rem 0}
.tiles li{border:1px solid var(--line);border-left-width:.4rem;border-radius:.4rem;padding:.5rem .9rem;min-width:9rem}
.tiles b{display:block;font-size:1.5rem;line-height:1.2}
.critical{border-color:var(--critical)!important}.warning{border-color:var(--warning)!important}
.info{border-color:var(--info)!important}
.badge{display:inline-block;border:1px solid;border-radius:.3rem;padding:0 .45rem;font-size:.85rem;font-weight:600}
.badge.critical{color:var(--critical);background:var(--critical-back)}
.badge.warning{color:var(--warning);background:var(--warning-back)}
.badge.info{color:var(--info);background:var(--info-back)}
.notice,.refused{border:2px solid var(--critical);border-radius:.4rem;padding:.5rem 1rem;margin:1rem 0}
.notice{border-color:var(--line)}
nav ul{columns:22rem;padding-left:1.2rem;margin:.3rem 0}
.group{border:1px solid var(--line);border-left-width:.4rem;border-radius:.4rem;padding:.7rem 1rem;margin:.8rem 0}
table{border-collapse:collapse;width:100%;margin:.4rem 0}
td,th{border-bottom:1px solid var(--line);padding:.3rem .6rem .3rem 0;text-align:left;vertical-align:top}
th{color:var(--quiet);font-weight:600;overflow-wrap:normal}.lines td{min-width:8rem}
td.number,th.number{text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums}
details{margin:.3rem 0}summary{cursor:pointer;color:var(--link)}
ul.names{columns:13rem;margin:.3rem 0;padding-left:1.2rem}ul.names li{break-inside:avoid}
.figures{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(24rem,100%),1fr));gap:1.2rem}
figure{margin:0;border:1px solid var(--line);border-radius:.4rem;padding:.7rem 1rem;min-width:0}
figcaption{font-weight:600}figure svg{display:block;width:100%}td.bar{width:45%;vertical-align:middle}
.legend{display:flex;flex-wrap:wrap;gap:.2rem 1.2rem;margin:.3rem 0}
.ends{display:flex;justify-content:space-between;color:var(--quiet);font-size:.9rem}
form{margin:1rem 0}input{font:inherit;color:inherit;background:var(--page);border:1px solid var(--quiet);
border-radius:.3rem;padding:.4rem .6rem;width:min(24rem,100%)}
@media(max-width:600px){body{padding:1rem}dl.facts{grid-template-columns:1fr;gap:0}dl.facts dd{margin-bottom:.4rem}
td.bar{width:30%}}
@media(max-width:900px){.lines thead{position:absolute;left:-99rem}
.lines,.lines tbody,.lines tr,.lines td{display:block}
.lines tr{border-bottom:1px solid var(--line);padding:.4rem 0}.lines td{border:0;padding:.1rem 0}
.lines td[data-of]::before{content:attr(data-of) ": ";color:var(--quiet)}}
@media print{:root{color-scheme:light;--page:#fff;--text:#000;--quiet:#444;--line:#999;--link:#000;--bar:#2f6fb4;
--critical:#8a0c20;--warning:#6b4100;--info:#0b3f7a;--critical-back:#fff;--warning-back:#fff;--info-back:#fff}
body{max-width:none;padding:0;font-size:11pt}nav,form,.skip{display:none}.group,figure{break-inside:avoid-page}
*{print-color-adjust:exact}}
""".replace("\n", "")

SCRIPT = """
(()=>{const f=document.getElementById('filter');if(!f)return;f.hidden=false;
const q=f.querySelector('input'),n=f.querySelector('output'),all=[...document.querySelectorAll('.group')];let t;
const has=(e,w)=>e.textContent.toLowerCase().includes(w);
const run=()=>{const w=q.value.trim().toLowerCase();let shown=0;for(const g of all){
const whole=!w||has(g.querySelector('h3'),w);let hits=0;for(const e of g.querySelectorAll('tbody tr,li')){
const ok=whole||has(e,w);e.hidden=!ok;hits+=ok}g.hidden=!(whole||hits);shown+=!g.hidden;
if(w&&!whole&&hits&&hits<200)for(const d of g.querySelectorAll('details'))d.open=true}
n.textContent=w?shown+' of '+all.length+' groups':''};
f.addEventListener('submit',e=>e.preventDefault());
q.addEventListener('input',()=>{clearTimeout(t);t=setTimeout(run,120)})})()
""".replace("\n", "")

FILTER = (
    '<form id="filter" role="search" hidden><label for="words">Show only groups with a merchant or word: </label>'
    '<input id="words" type="search" autocomplete="off"> <output aria-live="polite"></output></form>'
)

OPEN_ROWS = 10
"""Rows of a table that stand open; the others are folded."""

Section = tuple[str, str, str]
"""Its id, its title in the contents, and its HTML; the title is text, not escaped yet."""


def page(title: str, header: Sequence[str], sections: Sequence[Section], footer: str = "") -> str:
    """The whole document. `title` and `footer` are text; `header` and the bodies of sections are HTML already."""
    head = (
        '<meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">'
        f'<meta name="referrer" content="no-referrer"><title>{escape_text(title)}</title><style>{STYLE}</style>'
    )
    entries = "".join(f'<li><a href="#{name}">{escape_text(entry)}</a></li>' for name, entry, _ in sections)
    contents = f'<nav aria-label="Contents"><h2>Contents</h2><ul>{entries}</ul></nav>' if len(sections) > 1 else ""
    body = [
        '<a class="skip" href="#content">To the content</a>',
        f"<header><h1>{escape_text(title)}</h1>",
        *header,
        f'</header>{contents}<main id="content">',
        *(
            f'<section id="{name}"><h2>{escape_text(entry)}</h2>{content}</section>'
            for name, entry, content in sections
        ),
        "</main>",
        *([f'<footer class="quiet">{escape_text(footer)}</footer>'] if footer else []),
        f"<script>{SCRIPT}</script>",
    ]
    return "\n".join([f'<!doctype html>\n<html lang="en"><head>{head}</head><body>', *body, "</body></html>"])


def escape_text(words: str) -> str:
    """Text from outside as itself."""
    return escape(escape_control(words))


def paragraph(words: str, css: str = "") -> str:
    return f'<p class="{css}">{escape_text(words)}</p>' if css else f"<p>{escape_text(words)}</p>"


def bullets(items: Sequence[str]) -> str:
    return f"<ul>{''.join(f'<li>{escape_text(item)}</li>' for item in items)}</ul>" if items else ""


def facts_list(pairs: Sequence[tuple[str, str]]) -> str:
    """What is known of the report: a list of names and values; those without a value are left out."""
    rows = "".join(f"<dt>{escape_text(name)}</dt><dd>{escape_text(value)}</dd>" for name, value in pairs if value)
    return f'<dl class="facts">{rows}</dl>'


def link(address: str | None) -> str:
    if address is None or not is_web_address(address):
        return ""
    return f'<a href="{escape(address, quote=True)}" rel="noreferrer">{escape_text(address)}</a>'


def plain_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of text."""
    return folding_table([escape_text(cell) for cell in head], [_plain_row(head, row) for row in rows], "more row")


def folding_table(head: Sequence[str], rows: Sequence[str], row_word: str) -> str:
    """A table, of which what goes beyond OPEN_ROWS is folded. Cells of the head and rows are HTML already."""
    if not rows:
        return ""
    cells = "".join(f'<th scope="col">{cell}</th>' for cell in head)
    start, end = f'<table class="lines"><thead><tr>{cells}</tr></thead><tbody>', "</tbody></table>"
    open_rows = f"{start}{''.join(rows[:OPEN_ROWS])}{end}"
    if len(rows) <= OPEN_ROWS:
        return open_rows
    more = format_count(len(rows) - OPEN_ROWS, row_word)
    return f"{open_rows}<details><summary>{more}</summary>{start}{''.join(rows[OPEN_ROWS:])}{end}</details>"


def _plain_row(head: Sequence[str], row: Sequence[str]) -> str:
    cells = (
        f'<td data-of="{escape_text(name)}">{escape_text(cell)}</td>' for name, cell in zip(head, row, strict=True)
    )
    return f"<tr>{''.join(cells)}</tr>"
