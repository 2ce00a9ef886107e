// Usage: count.mjs <exit code of npm test> <vitest's JSON report> <exit code of npm run check> <its output>
// Runs on the machine's own Node, since it also has to say that installing failed.
import { readFileSync } from 'node:fs';

const [testsExitCode, testsReport, checksExitCode, checksOutput] = process.argv.slice(2);

function readText(path) {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

function countTests() {
  const text = readText(testsReport);
  if (text === '') return { passed: 0, failed: 0, skipped: 0, files: 0 };
  const report = JSON.parse(text);
  // A file that could not be loaded has no tests that could fail.
  const brokenFiles = report.testResults.filter(
    ({ status, assertionResults }) => status === 'failed' && !assertionResults.some((test) => test.status === 'failed'),
  );
  return {
    passed: report.numPassedTests,
    failed: report.numFailedTests + brokenFiles.length,
    skipped: report.numPendingTests + report.numTodoTests,
    files: report.testResults.length,
  };
}

function countChecks() {
  const lines = readText(checksOutput).split('\n');
  const count = (result) => lines.filter((line) => /^check .*: (passed|FAILED)/.exec(line)?.[1] === result).length;
  return { passed: count('passed'), failed: count('FAILED') };
}

/** What failed without a test or check that did, such as the installation or an error outside of any test. */
const atLeast = (failed, exitCode) => (failed === 0 && exitCode !== '0' ? 1 : failed);

const tests = countTests();
const checks = countChecks();
const testsFailed = atLeast(tests.failed, testsExitCode);
const checksFailed = atLeast(checks.failed, checksExitCode);
const failed = testsFailed + checksFailed;

console.log(
  `npm test: ${tests.passed} passed, ${testsFailed} failed, ${tests.skipped} skipped, in ${tests.files} files`,
);
console.log(`npm run check: ${checks.passed} passed, ${checksFailed} failed`);
console.log(`${tests.passed + checks.passed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
