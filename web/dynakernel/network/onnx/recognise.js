/** What a graph computes, in the ops that say it best. */
import { recogniseActivation } from './activations.js';
import { attentionsOf, recogniseAttention } from './attention.js';
import { recogniseDynamic } from './dynamic.js';
import { recogniseLinear } from './linear.js';
import { Rewriter } from './rewriter.js';
import { recogniseScaled } from './scales.js';
import { shareEqual } from './share.js';
import { simplify } from './simplify.js';

/** @typedef {import('../graph.js').GraphBuilder} GraphBuilder */

/**
 * Rewrites the nodes of a graph, and removes those that no output needs.
 *
 * @param {GraphBuilder} builder
 */
export function recognise(builder) {
  const rewriter = new Rewriter(builder);
  rewriter.pass(simplify);
  rewriter.pass(shareEqual());
  // before products with constants become linear layers, which turns the constants
  rewriter.countUses();
  rewriter.pass(recogniseDynamic);
  rewriter.pass(simplify);
  rewriter.countUses();
  rewriter.pass(recogniseLinear);
  rewriter.countUses();
  rewriter.pass(recogniseScaled);
  rewriter.pass(simplify);
  const attentions = attentionsOf(builder.nodes, rewriter);
  rewriter.countUses();
  rewriter.pass((node, r) => recogniseAttention(node, attentions, r) ?? recogniseActivation(node, r));
  rewriter.pass(simplify);
  rewriter.pass(shareEqual());
}
