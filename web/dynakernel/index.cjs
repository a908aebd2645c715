'use strict';

// require('dynakernel'): Node 20.19, 22.12 and later load ES modules so.
try {
  module.exports = require('./index.js');
} catch (error) {
  if (error.code !== 'ERR_REQUIRE_ESM') throw error;
  // The class DynakernelError is in the module that cannot be loaded.
  throw Object.assign(new Error('dynakernel is an ES module, and this Node cannot require() those. ' +
    "Use await import('dynakernel'), or Node 20.19, 22.12 or later.", { cause: error }),
  { name: 'DynakernelError', code: 'ERR_LOAD' });
}
