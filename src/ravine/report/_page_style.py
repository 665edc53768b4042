"""The page's style sheet: light, dark and printed, from 320 pixels on."""

from ravine.report._inline import palette

_LIGHT = f"color-scheme: light; --text: #1a1a1a; --quiet: #555; --line: #d5d5d5; --panel: #f5f5f5; --mark: #0072b2; {palette('light')}"
_DARK = f"color-scheme: dark; --text: #ececec; --quiet: #a9b1b8; --line: #3a4046; --panel: #1d2226; --mark: #56b4e9; {palette('dark')}"

STYLE = f"""
:root {{ {_LIGHT} }}
@media (prefers-color-scheme: dark) {{ :root {{ {_DARK} }} }}
* {{ box-sizing: border-box; }}
body {{ font: 16px/1.5 system-ui, sans-serif; color: var(--text); background: var(--paper); max-width: 76rem; margin: 0 auto;
  padding: 1.5rem 1rem 4rem; overflow-wrap: break-word; }}
h1 {{ font-size: 1.6rem; margin: 0 0 .3rem; overflow-wrap: anywhere; }}
h2 {{ font-size: 1.2rem; margin: 2.6rem 0 .6rem; border-bottom: 1px solid var(--line); padding-bottom: .2rem; }}
h3 {{ font-size: 1rem; margin: 1.6rem 0 .4rem; }}
a {{ color: var(--mark); }}
nav ul {{ display: flex; flex-wrap: wrap; gap: .2rem 1.1rem; list-style: none; margin: 1rem 0; padding: 0; }}
nav a {{ display: inline-block; padding: .15rem 0; }}
.verdict {{ font-size: 1.15rem; border-left: 4px solid var(--mark); padding-left: .9rem; max-width: 60rem; }}
.warning {{ border: 2px solid var(--curve-1); padding: .6rem .9rem; font-weight: 600; }}
.quiet, figcaption, caption {{ color: var(--quiet); font-size: .9rem; }}
p, ul {{ max-width: 60rem; }}
.scroll {{ overflow-x: auto; max-width: 100%; margin: 1rem 0; }}
.scroll:focus-visible, .wide:focus-visible, pre:focus-visible, a:focus-visible {{ outline: 2px solid var(--mark); outline-offset: 2px; }}
table {{ border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .94rem; }}
caption {{ text-align: left; padding-bottom: .3rem; }}
th, td {{ text-align: left; vertical-align: top; padding: .3rem 1rem .3rem 0; border-bottom: 1px solid var(--line);
  white-space: pre-line; }}
th {{ font-weight: 600; }} th[scope=row] {{ min-width: 6rem; max-width: 22rem; overflow-wrap: break-word; }}
.number {{ text-align: right; white-space: nowrap; }}
.facts {{ width: 100%; max-width: 60rem; margin: 1rem 0; table-layout: fixed; }}
.facts th {{ width: 32%; font-weight: 500; overflow-wrap: anywhere; }} .facts td {{ overflow-wrap: anywhere; padding-right: 0; }}
figure {{ margin: 1rem 0; min-width: 0; }}
figure svg {{ width: 100%; height: auto; display: block; }}
.wide {{ overflow-x: auto; }} .wide svg {{ min-width: 30rem; }}
svg * {{ stroke-linejoin: round; stroke-linecap: butt; }}
.pair {{ display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 26rem), 1fr)); gap: 0 1.5rem; }}
.panels {{ display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 17rem), 1fr)); gap: 0 1.2rem; }}
pre {{ background: var(--panel); padding: .9rem; overflow: auto; font: .85rem/1.45 ui-monospace, monospace; max-height: 34rem; }}
@media print {{
  :root {{ {_LIGHT} }}
  @page {{ margin: 16mm; }}
  body {{ font-size: 10pt; max-width: none; padding: 0; }}
  nav {{ display: none; }}
  h2, h3 {{ break-after: avoid; }}
  figure, tr, .verdict, .warning {{ break-inside: avoid; }}
  thead {{ display: table-header-group; }}
  .scroll, .wide {{ overflow: visible; }} .wide svg {{ min-width: 0; max-width: 130mm !important; }}
  table {{ font-size: 8pt; }} th, td {{ padding-right: .5rem; overflow-wrap: break-word; }}
  .panels {{ grid-template-columns: repeat(3, 1fr); }}
  #recipe {{ break-before: page; }}
  pre {{ max-height: none; white-space: pre-wrap; overflow: visible; font-size: 7.5pt; background: none; border: 1px solid var(--line); }}
}}
"""
