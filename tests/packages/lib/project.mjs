// The folders of the apps. build/packages holds the suite's tools, build/matrix the other tools. Each app is a folder
// in one of the two, and has its own installed dynakernel.
import { cpSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { root } from '../../../scripts/project.mjs';
import { runCommand } from './commands.mjs';

const here = join(root, 'tests/packages');
const quietly = ['--no-audit', '--no-fund', '--loglevel=error'];

/** @typedef {'packages' | 'matrix'} Tools */

/** The folder whose package.json pins the tools, and the folder that they are installed in. */
const toolFolders = {
  packages: { pinned: here, folder: join(root, 'build/packages') },
  matrix: { pinned: join(here, 'more'), folder: join(root, 'build/matrix') },
};

/** The version that package.json pins for a tool. */
export function versionOf(tools, name) {
  const { devDependencies } = JSON.parse(readFileSync(join(toolFolders[tools].pinned, 'package.json'), 'utf8'));
  return devDependencies[name].replace(/^npm:.*@/, '');
}

/** Installs pinned tools if they are missing. Returns their folder. */
export async function installTools(tools) {
  const { pinned, folder } = toolFolders[tools];
  const lock = readFileSync(join(pinned, 'package-lock.json'), 'utf8');
  const mark = join(folder, 'installed-lock.json');
  if (existsSync(mark) && readFileSync(mark, 'utf8') === lock) return folder;
  mkdirSync(folder, { recursive: true });
  for (const name of ['package.json', 'package-lock.json']) cpSync(join(pinned, name), join(folder, name));
  cpSync(join(root, '.npmrc'), join(folder, '.npmrc'));
  // `npm ci` requires Vite's optional package for Windows. Some registries lack it.
  await runCommand('npm', ['install', ...quietly], { cwd: folder, seconds: 600 });
  writeFileSync(mark, lock);
  return folder;
}

/**
 * Packs the package and installs it in an empty project, as a user does.
 *
 * @returns {Promise<string>} the folder of the installed package
 */
export async function installPackage() {
  const folder = join(root, 'build/packages/stranger');
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const packed = await runCommand('npm', ['pack', '--json', '--pack-destination', folder], { cwd: root, seconds: 600 });
  const tarball = readdirSync(folder).find((name) => name.endsWith('.tgz'));
  if (!tarball) throw new Error(`npm pack wrote no tarball:\n${packed}`);
  writeFileSync(join(folder, 'package.json'), '{ "private": true, "type": "module" }\n');
  await runCommand('npm', ['install', ...quietly, `./${tarball}`], { cwd: folder });
  return join(folder, 'node_modules/dynakernel');
}

/** The result of the program in this Node, with the installed package. */
export async function expectedResult(installed) {
  const { load } = await import(pathToFileURL(join(installed, 'dist/bundle/index.js')).href);
  const { diteHRNet } = await import(pathToFileURL(join(installed, 'dist/dite-hrnet.js')).href);
  const { program } = await import(pathToFileURL(join(here, 'app/program.js')).href);
  const result = await program({ load, diteHRNet });
  if (result.error) throw new Error(`the program fails in Node: ${result.error.message}`);
  return result;
}

/** A page that starts a script. */
export const html = (script, attributes = 'type="module"') => `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>app</title></head>
<body><script ${attributes} src="${script}"></script></body>
</html>
`;

/**
 * Makes the folder of one app: the sources in src/, the installed package in node_modules/.
 *
 * @param {string} tools the folder of its tools
 * @param {string} id
 * @param {string} installed the folder of the installed package
 * @param {{ entry?: string, files?: { [path: string]: string }, withoutPackage?: boolean }} [options]
 *   entry: the name that the sources import instead of 'dynakernel'. If it is the address of a file, they import
 *   dite-hrnet.js beside that file
 */
export function makeApp(tools, id, installed, { entry = 'dynakernel', files = {}, withoutPackage = false } = {}) {
  const folder = join(tools, 'apps', id);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(join(folder, 'src'), { recursive: true });
  const poseEntry = entry.endsWith('.js') ? entry.replace(/[^/]+$/, 'dite-hrnet.js') : 'dynakernel/dite-hrnet';
  for (const name of readdirSync(join(here, 'app'))) {
    const text = readFileSync(join(here, 'app', name), 'utf8');
    writeFileSync(join(folder, 'src', name),
      text.replaceAll("'dynakernel'", `'${entry}'`).replaceAll("'dynakernel/dite-hrnet'", `'${poseEntry}'`));
  }
  const manifest = { name: 'app', private: true, type: 'module', dependencies: { dynakernel: '*' } };
  const written = { 'package.json': JSON.stringify(manifest), 'index.html': html('./src/main.js'), ...files };
  for (const [path, text] of Object.entries(written)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
  if (!withoutPackage) cpSync(installed, join(folder, 'node_modules/dynakernel'), { recursive: true });
  return folder;
}

/** The files of the Next.js app, for makeApp. */
export function nextFiles() {
  const folder = join(here, 'next-app');
  const names = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return Object.fromEntries(names.map(({ parentPath, name }) => {
    const path = join(parentPath, name);
    return [path.slice(folder.length + 1), readFileSync(path, 'utf8')];
  }));
}
