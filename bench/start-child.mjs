// A process that measures one cold start. The first argument is the request, as JSON; stdout gets the milliseconds.
import { coldStart } from './cold-start.js';

console.log(await coldStart(JSON.parse(process.argv[2])));
process.exit(); // onnxruntime-web's threads would keep the process alive
