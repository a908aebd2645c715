// Installs the tools that the suite needs. The exit status is 1 if the installation fails.
import { installTools } from './lib/project.mjs';

try {
  console.log('installing the bundlers into build/packages, unless they are there');
  await installTools('packages');
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
