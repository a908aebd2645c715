// A worker whose function has the name of a runtime's method.
import { load } from '../web/dynakernel/index.js';
import { serve } from '../web/dynakernel/worker/serve.js';

serve({ load, functions: { zeros: () => null } });
