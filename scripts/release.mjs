// `npm run release -- 0.2.0`: checks, packs and tags a version. It publishes nothing: it prints the command that does.
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fail, root, run } from './project.mjs';

const usage = 'usage: npm run release -- VERSION     such as 0.2.0';
const version = process.argv[2];
if (!/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version ?? '')) fail(usage);

const git = (...args) => execFileSync('git', args, { cwd: root, encoding: 'utf8' }).trim();

// 1. The tree must be clean and on main, and the tag must be new.
if (git('status', '--porcelain') !== '') fail('There are changes that are not committed: commit them first.');
if (git('branch', '--show-current') !== 'main') fail('A release is made on the branch main.');
if (git('tag', '--list', `v${version}`) !== '') fail(`There is a tag v${version} already.`);

// 2. CHANGELOG.md must list the changes. Its heading gets the version and the date.
const changelogPath = join(root, 'CHANGELOG.md');
const changelog = readFileSync(changelogPath, 'utf8');
const unreleased = /^## \[Unreleased\]\n([\s\S]*?)(?=^## |\s*$(?![\s\S]))/m.exec(changelog);
if (!unreleased?.[1].trim()) fail("CHANGELOG.md has nothing under '## [Unreleased]'.");

// 3. Every suite must pass, on the sources that are released.
if (run('./build.sh', ['clean']) !== 0 || run('npm', ['run', 'lint']) !== 0) fail('Lint failed: nothing was released.');
if (run('npm', ['test', '--', '--require-all']) !== 0) fail('The tests failed: nothing was released.');

// 4. Write the version, commit, pack and tag.
const today = new Date().toISOString().slice(0, 10);
writeFileSync(changelogPath, changelog.replace('## [Unreleased]\n', `## [Unreleased]\n\n## [${version}] - ${today}\n`));
if (run('npm', ['version', version, '--no-git-tag-version']) !== 0) fail('npm could not set the version.');
git('commit', '--all', '--message', `release: ${version}`);
if (run('npm', ['pack']) !== 0) fail('npm pack failed: take the last commit back, mend it and try again.');
git('tag', '--annotate', `v${version}`, '--message', `dynakernel ${version}`);
console.log(`
Packed dynakernel-${version}.tgz and tagged v${version}. To publish:

    git push origin main v${version}
    npm publish dynakernel-${version}.tgz --provenance`);
