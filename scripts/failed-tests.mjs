// What failed in a run of tests, for the end of its report: a reporter for node --test, which writes a line of JSON for each
// failed test, and the section that people read. Both are bounded, whatever the tests print.
import { relative } from "node:path";
import { inspect } from "node:util";
import { root } from "./prepare.mjs";

const TESTS_MAX = 20;
const TEXT_LINES_MAX = 30;
const FRAMES_MAX = 10;
const LINE_CHARACTERS_MAX = 500;

/** The reporter. Why a file failed as a whole is in its stderr, or in what the runner says of it. */
// biome-ignore lint/style/noDefaultExport: as such node --test takes a reporter
export default async function* failedTests(events) {
  const stderrs = new Map();
  const remarks = [];
  for await (const { type, data } of events) {
    if (type === "test:stderr") {
      const lines = [...(stderrs.get(data.file) ?? []), ...data.message.trimEnd().split("\n")];
      stderrs.set(data.file, lines.slice(-TEXT_LINES_MAX));
    } else if (type === "test:diagnostic" && data.message.startsWith("Error: ")) {
      remarks.push(data.message);
    } else if (type === "test:fail" && data.details.error.failureType !== "subtestsFailed" && !data.todo) {
      const { name, file = "", line, details } = data;
      const path = relative(root, file);
      const lines = errorLines(details.error);
      if ("exitCode" in details.error) {
        lines.push(...bounded([...remarks.filter((remark) => remark.includes(path)), ...(stderrs.get(file) ?? [])]));
      }
      yield `${JSON.stringify({ name, place: `${path}:${line}`, lines })}\n`;
    }
  }
}

/** `failures` are what the reporter wrote, each with its suite. */
export function failedSection(failures) {
  const shown = failures.slice(0, TESTS_MAX).flatMap(({ suite, name, place, lines }) => {
    return ["", `✖ ${suite}: ${place}: ${name}`, ...lines.map((line) => `  ${line}`.trimEnd())];
  });
  const more = failures.length - TESTS_MAX;
  return ["failed tests", ...shown, ...(more > 0 ? ["", `and ${more} more, above`] : [])].join("\n");
}

function errorLines({ cause, exitCode, signal }) {
  const end = signal ?? (exitCode === undefined ? undefined : `exit ${exitCode}`);
  const text = typeof cause === "string" ? cause : inspect(cause);
  return bounded((end === undefined ? text : `${text} (${end})`).split("\n"));
}

/** The first lines of the text, and the first ones of the stacks in it. */
function bounded(lines) {
  let [texts, frames] = [0, 0];
  const kept = lines.filter((line) => (/^\s+at /.test(line) ? ++frames <= FRAMES_MAX : ++texts <= TEXT_LINES_MAX));
  const more = lines.length - kept.length;
  const cut = kept.map((line) => line.slice(0, LINE_CHARACTERS_MAX));
  return more > 0 ? [...cut, `(${more} more lines, above)`] : cut;
}
