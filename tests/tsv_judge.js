// Judges rows outside a browser: one JSON request a line on standard input, one answer a line on standard output.
// Arguments: the library's file, the script's file, the tables' file.
const fs = require("fs");
const readline = require("readline");
const vm = require("vm");

globalThis.crypto ??= require("crypto").webcrypto; // a browser and Node.js 20 have it by themselves

const [library, script, tablesFile] = process.argv.slice(2).map((path) => fs.readFileSync(path, "utf-8"));
globalThis.Encoding = (() => {
  const module = { exports: {} };
  vm.runInThisContext(`(function (module, exports) {${library}\n})`)(module, module.exports);
  return module.exports;
})();
const judging = vm.runInThisContext(
  `(() => {"use strict";\n${script}\nreturn { judgeRows, sayError, encodeLine, standing, recognise, openCsr, guessKind, splitTsv, decodeText };})()`,
);
const tables = JSON.parse(tablesFile);
const bytesOf = (text) => Uint8Array.from(Buffer.from(text, "base64"));

const ANSWERS = {
  async judge({ kind, rows, institution, language }) {
    const where = tables.institutions.find((one) => one.id === institution);
    const found = await judging.judgeRows(kind, rows, where, tables);
    const say = (error) => ({ ...error, said: judging.sayError(error, tables.kinds[kind], language || "ja", tables) });
    return found.map(({ errors, warnings }) => ({ errors: errors.map(say), warnings: warnings.map(say) }));
  },
  encode: ({ cells }) => {
    const { bytes, bad } = judging.encodeLine(cells);
    return bad ? { bad } : { bytes: Buffer.from(bytes).toString("base64") };
  },
  standings: ({ chars }) => chars.map((char) => judging.standing(char, tables.characters)),
  recognise: ({ bytes }) => judging.recognise(bytesOf(bytes), tables),
  kind: ({ rows }) => judging.guessKind(rows, tables),
};

(async () => {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const request = JSON.parse(line);
    process.stdout.write(`${JSON.stringify(await ANSWERS[request.ask](request))}\n`);
  }
})();
