// Helpers for graphs that the JavaScript door makes.

/** The parameters of a graph by their names in the state dict. */
export function parametersOf(graph) {
  const values = [...graph.nodes.flatMap((node) => node.inputs), ...graph.unused];
  return new Map(values.filter((value) => value?.stateName !== undefined).map((value) => [value.stateName, value]));
}

/** The shape of every array of the state dict. Each batch norm also counts its batches. */
export function shapesOf(graph) {
  const shapes = {};
  for (const [name, { stateShape }] of parametersOf(graph)) {
    shapes[name] = stateShape;
    if (name.endsWith('running_var')) shapes[name.replace(/running_var$/, 'num_batches_tracked')] = [];
  }
  return shapes;
}
