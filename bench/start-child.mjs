// A process that measures one cold start: the request comes as JSON in the first argument, the time goes to stdout.
import { coldStart } from './cold-start.js';

console.log(await coldStart(JSON.parse(process.argv[2])));
process.exit(); // onnxruntime-web's threads would keep the process alive
