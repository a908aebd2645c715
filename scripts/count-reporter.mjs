// A reporter for `node --test` that writes one JSON object: how many tests passed, failed and were skipped.
// A file without a test is reported by Node as one passing test named after the file; it is not counted.

export default async function* countReporter(events) {
  const count = { passed: 0, failed: 0, skipped: [] };
  for await (const { type, data } of events) {
    if (type !== 'test:pass' && type !== 'test:fail') continue;
    if (type === 'test:fail') {
      // A group fails with its tests: count it only where it failed by itself, in a hook for example.
      if (data.details?.error?.failureType !== 'subtestsFailed') count.failed++;
    } else if (data.details?.type !== 'suite' && !data.name.endsWith('.test.mjs')) {
      if (data.skip !== undefined || data.todo !== undefined) count.skipped.push(data.name);
      else count.passed++;
    }
  }
  yield `${JSON.stringify(count)}\n`;
}
