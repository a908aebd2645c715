// Writes the published declarations. tsc emits one file for each file of the wrapper. This script cleans the files and
// joins them into one.
import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { rollup } from 'rollup';
import { dts } from 'rollup-plugin-dts';
import ts from 'typescript';
import { root, run } from './project.mjs';

const emitted = join(root, 'build/types');
const published = join(root, 'dist/types');

const wasm = (/** @type {string} */ exported) => `import type { WasmFile } from './index.cjs';

/** The bundler's value for the file: its URL or the compiled module. load({ wasm }) takes both. */
declare const wasm: WasmFile;
${exported} wasm;
`;

/** The entries beside index: the emitted file, and its folder. */
const ENTRIES = {
  'dite-hrnet': ['dite-hrnet/index.d.ts', 'dite-hrnet'], worker: ['worker/index.d.ts', 'worker'], serve: ['worker/serve.d.ts', 'worker'],
};

/** The files beside the .d.cts of the entries. ES modules and CommonJS share their classes, such as Tensor. */
const OTHERS = {
  ...Object.fromEntries(['index', ...Object.keys(ENTRIES)].map((entry) => [`${entry}.d.ts`, `export * from './${entry}.cjs';\n`])),
  'wasm.d.ts': wasm('export default'),
  'wasm.d.cts': wasm('export ='),
};

rmSync(emitted, { recursive: true, force: true });
if (run(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '--project', root]) !== 0) process.exit(1);
cleanAll();
const declarations = { 'index.d.cts': await rollUp('index.d.ts') };
for (const [entry, [file, folder]] of Object.entries(ENTRIES)) declarations[`${entry}.d.cts`] = await rollUp(file, folder);
rmSync(published, { recursive: true, force: true });
mkdirSync(published, { recursive: true });
for (const [name, text] of Object.entries({ ...declarations, ...OTHERS })) {
  writeFileSync(join(published, name), text);
}

/** @param {string} path */
function parse(path) {
  return ts.createSourceFile(path, readFileSync(path, 'utf8'), ts.ScriptTarget.Latest, true);
}

/** Cleans every emitted file in place. */
function cleanAll() {
  const names = readdirSync(emitted, { encoding: 'utf8', recursive: true }).filter((name) => name.endsWith('.d.ts'));
  const files = names.map((name) => parse(join(emitted, name)));
  const classes = files.flatMap(({ statements }) => statements.filter(ts.isClassDeclaration));
  const bases = new Set(classes.map(({ heritageClauses }) => heritageClauses?.[0].types[0].expression.getText()));
  for (const file of files) writeFileSync(file.fileName, clean(file, bases));
}

/**
 * Returns the text of a file, with corrections to tsc's declarations for JavaScript.
 *
 * @param {ts.SourceFile} file
 * @param {Set<string | undefined>} bases names of classes that others extend
 */
function clean(file, bases) {
  /** @type {{ start: number, end: number, text: string }[]} */
  const edits = [];
  const replace = (/** @type {ts.Node} */ node, /** @type {string} */ text) =>
    edits.push({ start: node.getStart(file, true), end: node.end, text });
  const insert = (/** @type {number} */ place, /** @type {string} */ text) =>
    edits.push({ start: place, end: place, text });
  let added = '';

  for (const statement of file.statements) {
    // A typedef that only names a type of another file becomes an import.
    const named = importedTypedef(statement);
    if (named) replace(statement, `import type { ${named.name} } from '${named.path}'; export type { ${named.name} };`);
    if (!ts.isClassDeclaration(statement)) continue;
    for (const member of statement.members) {
      // Only the library calls these constructors. Their parameters, such as the heap, are not published.
      if (ts.isConstructorDeclaration(member) && hasTag(member, 'hideconstructor')) {
        replace(member, `${bases.has(statement.name?.text) ? 'protected' : 'private'} constructor();`);
      }
      // Only the other files of the wrapper call these.
      if (hasTag(member, 'internal')) edits.push({ start: member.pos, end: member.end, text: '' });
      // Symbol.dispose exists only in some versions of TypeScript's library.
      if (member.name?.getText() === '[Symbol.dispose]') {
        edits.push({ start: member.pos, end: member.end, text: '' });
        const platform = `./${relative(dirname(file.fileName), join(emitted, 'platform.js')).replaceAll('\\', '/')}`;
        added += `import type { UsingDisposable } from '${platform}';\n` +
          `export interface ${statement.name?.text} extends UsingDisposable {}\n`;
      }
    }
  }

  // An option may be undefined. Projects with exactOptionalPropertyTypes need that in the type.
  const visit = (/** @type {ts.Node} */ node) => {
    if (ts.isFunctionTypeNode(node)) return; // a callback gets its options from the library
    ts.forEachChild(node, visit);
    if (!ts.isPropertySignature(node) || !node.questionToken || !node.type) return;
    const { type } = node;
    if (/\bundefined$/.test(type.getText())) return;
    const [open, close] = ts.isFunctionTypeNode(type) ? ['(', ')'] : ['', ''];
    insert(type.getStart(), open);
    insert(type.end, `${close} | undefined`);
  };
  visit(file);

  let text = file.text;
  for (const edit of edits.sort((a, b) => b.start - a.start)) {
    text = text.slice(0, edit.start) + edit.text + text.slice(edit.end);
  }
  return withoutNotes(text + added)
    // TypeScript before 5.7 has no Float32Array<ArrayBuffer>. This type is the same in 5.7 and works before.
    .replace(/^(?! *\*).*Array<ArrayBuffer(?:Like)?>.*$/gm, (line) => line
      .replace(/\b(\w+Array)<ArrayBuffer>/g, 'ReturnType<typeof $1.of>')
      .replace(/\b(\w+Array)<ArrayBufferLike>/g, '$1'));
}

/**
 * Removes the parts of comments that are only for the compiler and for readers of the source.
 *
 * @param {string} text
 */
function withoutNotes(text) {
  return text
    // tsc has turned @typedef and @callback into declarations.
    .replace(/\/\*\*(?:(?!\*\/)[^])*@(?:typedef|callback|import)\b(?:(?!\*\/)[^])*\*\/\n?/g, '')
    // If the head of a file and the comment of its first declaration follow each other, the head goes.
    .replace(/\/\*\*(?:(?!\*\/)[^])*\*\/\s*(?=\/\*\*)/g, '')
    .replace(/^ *\* @(?:overload|override)\n(?: *\*\n)?/gm, '')
    .replace(/\{import\('[^']+'\)\.(\w+)\}/g, '{$1}');
}

/**
 * `export type Name = import('./file.js').Name`
 *
 * @param {ts.Statement} statement
 */
function importedTypedef(statement) {
  if (!ts.isTypeAliasDeclaration(statement) || !ts.isImportTypeNode(statement.type)) return null;
  const { argument, qualifier } = statement.type;
  if (qualifier?.getText() !== statement.name.text || !ts.isLiteralTypeNode(argument)) return null;
  return { name: statement.name.text, path: argument.literal.getText().slice(1, -1) };
}

/**
 * @param {ts.Node} node
 * @param {string} name
 */
function hasTag(node, name) {
  return ts.getJSDocTags(node).some(({ tagName }) => tagName.text === name);
}

/**
 * One file with all exports of an entry and the types that they need.
 *
 * @param {string} file the entry's declarations
 * @param {string} [folder] other types than those of this folder come from index.d.cts or dite-hrnet.d.cts, which must
 *   export them
 */
async function rollUp(file, folder) {
  const entry = join(emitted, file);
  // The names in the entry's own exports exist at run time; all others are types.
  const text = readFileSync(entry, 'utf8');
  const values = new Set(text.match(/(?<=^export \{)[^}]+|(?<=^export function )\w+/gm)?.join().match(/\w+/g));
  const isElsewhere = (/** @type {string} */ id, /** @type {string | undefined} */ importer) =>
    folder !== undefined && importer !== undefined && !id.endsWith('/platform.js') &&
    !join(dirname(importer), id).startsWith(join(emitted, folder));
  const bundle = await rollup({ input: entry, plugins: [dts()], external: isElsewhere });
  const { output: [{ code: plain }] } = await bundle.generate({
    format: 'es', paths: (id) => (id.includes('dite-hrnet') ? './dite-hrnet.cjs' : './index.cjs'),
  });
  await bundle.close();
  // what comes from index.d.cts are types, unless the entry exports it
  const isValue = (/** @type {string} */ name) => values.has(name);
  const code = plain.replace(/^(import|export) (?=\{([^}]*)\} from)/gm, (words, kind, names) =>
    (kind === 'export' && names.match(/\w+/g)?.every(isValue) ? words : `${kind} type `));
  const lists = /^export (?:type )?\{([^}]*)\};\n?/gm;
  const names = [...code.matchAll(lists)].flatMap(([, list]) => list.match(/\w+/g) ?? []).sort();
  const exported = (/** @type {string[]} */ list) => `{\n${list.map((name) => `    ${name},\n`).join('')}};\n`;
  return `${code.replace(lists, '').trim()}\n
export ${exported(names.filter((name) => values.has(name)))}
export type ${exported(names.filter((name) => !values.has(name)))}`;
}
