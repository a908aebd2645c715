'use strict';

// require('dynakernel'): Node 20.19, 22.12 and later can require ES modules.
try {
  module.exports = require('./index.js');
} catch (error) {
  if (error.code !== 'ERR_REQUIRE_ESM') throw error;
  // The class DynakernelError is in the module that did not load.
  throw Object.assign(new Error('dynakernel is an ES module, which this Node cannot require(). ' +
    "Use await import('dynakernel'), or Node 20.19, 22.12 or later.", { cause: error }),
  { name: 'DynakernelError', code: 'ERR_LOAD' });
}
