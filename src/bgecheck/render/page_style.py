"""How the page of HTML looks: light and dark, on narrow screens, on paper."""

STYLE = """
:root { color-scheme: light dark; --ink: #1d2329; --dim: #59636e; --ground: #fff; --panel: #f5f7f9; --line: #d5dbe1;
  --pass: #1a7f37; --warn: #8a5a00; --fail: #c0202d; --error: #7d3fb5; --skip: #59636e; --link: #0b5cad; }
@media (prefers-color-scheme: dark) { :root { --ink: #e3e8ed; --dim: #9aa5b1; --ground: #14181d; --panel: #1c2229;
  --line: #343d47; --pass: #4cc26a; --warn: #e0ad3a; --fail: #ff7b76; --error: #c79bf2; --skip: #9aa5b1;
  --link: #6db3ff; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink); line-height: 1.5;
  font: 16px/1.5 system-ui, "PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC", sans-serif; }
main { max-width: 68rem; margin: 0 auto; padding: 1.5rem 1rem 3rem; }
article + article, header + article { border-top: 2px solid var(--line); margin-top: 2.5rem; padding-top: 1.5rem; }
h1, h2, h3, p, li, dd, td { overflow-wrap: anywhere; }
h1 { font-size: 1.4rem; margin: .2rem 0 .6rem; }
h2 { font-size: 1.1rem; margin: 1.6rem 0 .6rem; }
h3 { font-size: 1rem; margin: 1.4rem 0 .4rem; }
a { color: var(--link); }
code, pre { font-family: ui-monospace, "SF Mono", Consolas, "Noto Sans Mono CJK SC", monospace; font-size: .92em; }
small, footer, .facts, .note { color: var(--dim); }
.verdict { display: inline-block; margin: 0; padding: .1rem .7rem; border: 2px solid; border-radius: .3rem;
  font-weight: 700; font-size: 1.1rem; }
.pass { color: var(--pass); } .warn, .starting { color: var(--warn); } .fail { color: var(--fail); }
.error, .inconclusive { color: var(--error); } .skip, .ignored { color: var(--skip); }
.facts, .areas { list-style: none; margin: .6rem 0; padding: 0; display: flex; flex-wrap: wrap; gap: .1rem 1.2rem; }
.areas { display: grid; grid-template-columns: repeat(auto-fill, minmax(17rem, 1fr)); }
.note { border-left: 3px solid var(--line); padding-left: .7rem; margin: .4rem 0; }
.cause { background: var(--panel); border-left: 4px solid; border-radius: .3rem; padding: .1rem 1rem .6rem;
  margin: 1.2rem 0; }
.cause > * { color: var(--ink); }
.cause .mark { margin-right: .4rem; }
.cause.fail .mark { color: var(--fail); } .cause.warn .mark { color: var(--warn); }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .35rem 1rem; margin: 0; }
dt { color: var(--dim); } dd { margin: 0; min-width: 0; }
pre { margin: 0 0 .4rem; padding: .6rem .8rem; background: var(--ground); border: 1px solid var(--line);
  border-radius: .3rem; white-space: pre-wrap; overflow-wrap: anywhere; user-select: all; }
table { border-collapse: collapse; width: 100%; table-layout: fixed; }
th, td { text-align: left; vertical-align: top; padding: .35rem .6rem; border-bottom: 1px solid var(--line); }
th { color: var(--dim); font-weight: 600; }
section th:first-child { width: 9.5rem; } section th:nth-child(2) { width: 19rem; }
.status { font-weight: 600; }
footer { margin-top: 2.5rem; font-size: .9rem; }
@media (max-width: 42rem) {
  dl { grid-template-columns: 1fr; gap: .1rem; } dd { margin-bottom: .5rem; }
  thead { position: absolute; clip-path: inset(50%); width: 1px; height: 1px; overflow: hidden; }
  table, tbody, tr, td { display: block; } tr { border-bottom: 1px solid var(--line); padding: .4rem 0; }
  td { border: 0; padding: .1rem 0; }
}
@media print {
  :root { color-scheme: light; --ink: #000; --dim: #444; --ground: #fff; --panel: #fff; --line: #bbb; --pass: #1a7f37;
    --warn: #8a5a00; --fail: #c0202d; --error: #7d3fb5; --skip: #444; --link: #000; }
  main { max-width: none; padding: 0; } .cause, tr { break-inside: avoid; } h2, h3 { break-after: avoid; }
  thead { display: table-header-group; }
}
"""
