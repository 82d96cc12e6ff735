// Reads LaTeX as JSON strings, one a line; writes for each a JSON line: null, or why KaTeX
// refuses it.
import { createInterface } from "node:readline";
import katex from "katex";

const options = { displayMode: true, strict: "error", throwOnError: true, trust: false };

for await (const line of createInterface({ input: process.stdin })) {
  let problem = null;
  try {
    katex.renderToString(JSON.parse(line), options);
  } catch (error) {
    problem = String(error.message ?? error);
  }
  process.stdout.write(`${JSON.stringify(problem)}\n`);
}
