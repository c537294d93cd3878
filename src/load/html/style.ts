// The look of the report page, in light and in dark. No font, script or picture comes from elsewhere.

export const STYLE = `
:root {
  color-scheme: light dark;
  --page: #f7f7f5; --card: #ffffff; --ink: #1d1f23; --soft: #5c6370; --rule: #e3e4e8; --shade: #00000009;
  --good: #17713a; --bad: #b3261e; --bad-back: #fdecea;
  --c1: #2563c9; --c2: #d1660c; --c3: #2c8a4b; --c4: #8a45b8; --c5: #b5325f; --c6: #5d6b7a;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #15171a; --card: #1e2125; --ink: #e8e9eb; --soft: #a2a9b4; --rule: #33373d; --shade: #ffffff0c;
    --good: #6fcf8e; --bad: #ff8a80; --bad-back: #3a2120;
    --c1: #72a7ff; --c2: #ff9d4d; --c3: #62c482; --c4: #c490ea; --c5: #f07ba0; --c6: #9aa7b5;
  }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink); font: 15px/1.5 system-ui, "DejaVu Sans", sans-serif; }
main { max-width: 1360px; margin: 0 auto; padding: 28px 24px 48px; }
h1 { font-size: 24px; margin: 0 0 4px; }
h2 { font-size: 17px; margin: 32px 0 10px; }
p { margin: 4px 0; }
.lead, .note, .empty { color: var(--soft); }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(118px, 1fr)); gap: 12px; margin: 20px 0; }
.tile { background: var(--card); border: 1px solid var(--rule); border-radius: 8px; padding: 10px 14px; }
.tile b { display: block; font-size: 22px; font-variant-numeric: tabular-nums; white-space: nowrap; }
.tile span { color: var(--soft); font-size: 13px; }
.tile.bad b, .bad { color: var(--bad); }
.good { color: var(--good); }
.warning { background: var(--bad-back); color: var(--bad); border-radius: 8px; padding: 10px 14px; margin: 12px 0; font-weight: 600; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 520px), 1fr)); gap: 16px; }
figure { margin: 0; background: var(--card); border: 1px solid var(--rule); border-radius: 8px; padding: 14px 16px 8px; }
figcaption { font-weight: 600; }
figure .note { font-size: 13px; margin: 0; }
.legend { list-style: none; display: flex; flex-wrap: wrap; gap: 2px 16px; margin: 4px 0 0; padding: 0; font-size: 13px; }
.key { display: inline-block; width: 18px; height: 0; border-top: 3px solid; margin-right: 6px; vertical-align: middle; }
.key.dashed { border-top-style: dashed; }
svg { display: block; width: 100%; height: auto; margin-top: 6px; }
.grid { stroke: var(--rule); }
.shade { fill: var(--shade); }
.tick { fill: var(--soft); font-size: 12px; font-variant-numeric: tabular-nums; }
.line { fill: none; stroke-width: 2; stroke-linejoin: round; }
.line.dashed { stroke-dasharray: 5 4; stroke-width: 1.5; }
.dot { opacity: 0; }
.dot:hover { opacity: 1; }
${[1, 2, 3, 4, 5, 6].map((n) => `.line.s${n} { stroke: var(--c${n}); } .dot.s${n} { fill: var(--c${n}); } .key.s${n} { border-color: var(--c${n}); }`).join("\n")}
.wide { overflow-x: auto; background: var(--card); border: 1px solid var(--rule); border-radius: 8px; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; font-size: 14px; }
th, td { text-align: right; padding: 6px 14px; border-bottom: 1px solid var(--rule); white-space: nowrap; }
th { color: var(--soft); font-weight: 500; }
th:first-child, td:first-child { text-align: left; }
tr:last-child td { border-bottom: 0; }
pre { background: var(--card); border: 1px solid var(--rule); border-radius: 8px; padding: 10px 14px; overflow-x: auto; white-space: pre-wrap; font-size: 13px; }
`;
