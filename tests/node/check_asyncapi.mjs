// Validates an AsyncAPI document with the official parser, examples included; prints what is wrong with it.
//
//   node check_asyncapi.mjs FILE

import { readFileSync } from "node:fs";
import process from "node:process";
import { Parser } from "@asyncapi/parser";

const text = readFileSync(process.argv[2], "utf8");
const { document, diagnostics } = await new Parser().parse(text);
// 0 is an error, 1 a warning; the rest is advice.
const serious = diagnostics.filter(({ severity }) => severity <= 1);
for (const { path, message } of serious) console.log(`${path.join(".")}: ${message}`);
if (!document || serious.length) process.exit(1);
