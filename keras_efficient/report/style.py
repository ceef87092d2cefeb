"""The style sheet of the page. Its custom properties colour the plots too, light and dark."""

STYLE = """
:root { color-scheme: light dark; --page: #f4f6f8; --card: #ffffff; --ink: #18222d;
  --muted: #5c6976; --grid: #e2e7ec; --chosen: #d4500b; --other: #3f78ad; --failed: #a3324f;
  --mark: #fff1e8; --warn: #ffe6a8; }
@media (prefers-color-scheme: dark) { :root {
  --page: #12171d; --card: #1b222a; --ink: #e6ebf0; --muted: #9aa7b4; --grid: #303a45;
  --chosen: #ff8a4c; --other: #75aee0; --failed: #f07a95; --mark: #3a2a20; --warn: #5c4710; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Liberation Sans", sans-serif; }
main { max-width: 1060px; margin: 0 auto; padding: 32px 20px 48px; }
h1 { margin: 0 0 6px; font-size: 1.75rem; line-height: 1.2; letter-spacing: -.01em; }
h2 { margin: 0 0 10px; font-size: 1.15rem; }
h3 { margin: 20px 0 6px; font-size: .95rem; font-weight: 600; }
h2 + h3, .note + h3 { margin-top: 10px; }
.lead { margin: 0 0 20px; font-size: 1.05rem; }
.note { margin: 6px 0 10px; color: var(--muted); font-size: .875rem; max-width: 70em; }
section { background: var(--card); border: 1px solid var(--grid); border-radius: 10px;
  padding: 20px 22px; margin: 18px 0; }
.cards { margin-bottom: 12px; display: grid; grid-template-columns: repeat(4, 1fr); gap: 12px; }
.card { background: var(--card); border: 1px solid var(--grid); border-radius: 10px;
  padding: 14px 16px; }
.card b { display: block; font-size: 1.65rem; line-height: 1.2; font-weight: 650;
  font-variant-numeric: tabular-nums; letter-spacing: -.01em; }
.card span { display: block; color: var(--muted); font-size: .8125rem; line-height: 1.35; }
.card .label { color: var(--ink); font-weight: 600; }
.main b { color: var(--chosen); }
.chain { display: flex; flex-wrap: wrap; gap: 8px; margin: 0; padding: 0; list-style: none; }
.chain li { border: 1px solid var(--grid); border-radius: 8px; padding: 5px 10px;
  font-size: .875rem; line-height: 1.3; min-width: 0; }
.chain code { display: block; color: var(--muted); font-size: .75rem; overflow-wrap: anywhere; }
.scroll { overflow-x: auto; margin: 4px 0; }
table { border-collapse: collapse; width: 100%; font-size: .875rem;
  font-variant-numeric: tabular-nums; }
th, td { padding: 5px 10px; text-align: right; white-space: nowrap;
  border-bottom: 1px solid var(--grid); }
th { color: var(--muted); font-size: .78rem; font-weight: 600; }
th:first-child, td:first-child { padding-left: 6px; }
tbody tr:last-child td { border-bottom: 0; }
.text { text-align: left; }
tr.chosen td { background: var(--mark); font-weight: 600; }
tr.total td { font-weight: 600; border-top: 2px solid var(--grid); }
tr.failed td { color: var(--muted); }
td.warn { background: var(--warn); }
.tag { display: inline-block; border-radius: 99px; padding: 0 8px; margin-left: 6px;
  font-size: .72rem; font-weight: 600; background: var(--chosen); color: var(--card); }
.tag.bad { background: var(--failed); }
.bars { display: grid; grid-template-columns: minmax(6em, max-content) 1fr 1fr; gap: 5px 18px;
  font-size: .875rem; align-items: center; }
.bars > * { min-width: 0; overflow-wrap: anywhere; }
.bars .head { color: var(--muted); font-size: .78rem; font-weight: 600; }
.bar { display: flex; align-items: center; gap: 8px; font-variant-numeric: tabular-nums;
  white-space: nowrap; }
.track { flex: 1; height: 14px; }
.track i { display: block; height: 100%; min-width: 1px; border-radius: 3px;
  background: var(--other); }
.bar em { font-style: normal; min-width: 4.2em; text-align: right; }
.bar.peak i { background: var(--chosen); }
.bar.peak em { color: var(--chosen); font-weight: 700; }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(290px, 100%), 1fr));
  gap: 8px 22px; }
figure { margin: 0; min-width: 0; max-width: 520px; }
figure.small { max-width: 400px; }
figcaption { font-size: .875rem; font-weight: 600; margin: 6px 0 2px; }
.plot { display: block; width: 100%; height: auto; }
.plot * { stroke-linejoin: round; stroke-linecap: butt; }
.plot text { font-family: inherit !important; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 3px 18px; margin: 0 0 10px;
  font-size: .875rem; }
dt { color: var(--muted); } dd { margin: 0; overflow-wrap: anywhere; }
pre { margin: 8px 0 0; padding: 12px 14px; background: var(--page); border-radius: 8px;
  font-size: .8rem; line-height: 1.45; overflow-x: auto; }
details { margin-top: 8px; }
summary { cursor: pointer; color: var(--muted); font-size: .875rem; }
footer { color: var(--muted); font-size: .8125rem; }
@media (max-width: 760px) { .cards { grid-template-columns: repeat(2, 1fr); } }
@media (max-width: 520px) {
  main { padding: 18px 12px 32px; }
  section { padding: 14px; }
  h1 { font-size: 1.4rem; }
  .card b { font-size: 1.35rem; }
  .bars { grid-template-columns: 1fr 1fr; gap: 2px 12px; }
  .bars .name { grid-column: 1 / -1; margin-top: 6px; }
  .bars .head.name { display: none; } }
@media print { body { background: none; } section { break-inside: avoid; } }
"""
