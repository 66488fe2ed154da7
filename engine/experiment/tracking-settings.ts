/**
 * The address under `tracking:`. It is printed, recorded and kept with every run, so a name, password or token in it is refused; and one
 * that no server answers at would lose what the run has to tell.
 */
import { credentialsIn } from '../credentials.js';
import { hasExpression } from './expressions/template.js';
import type { Problems } from './problems.js';
import type { Scope } from './scope.js';
import { entryOf, isMap, type MapNode, type Node, shown } from './tree.js';

/** @param uri of the composed file, computed; profiles that are not applied are looked at, too: somebody will apply them */
export function checkTracking(
  root: MapNode,
  uri: string | undefined,
  scope: Scope,
  problems: Problems,
): void {
  const tracking = entryOf(root, 'tracking')?.value;
  if (tracking && uri !== undefined) refuse(uri, tracking);
  const profiles = entryOf(root, 'profiles')?.value;
  for (const { value } of isMap(profiles) ? profiles.entries.values() : []) {
    const inProfile = entryOf(value, 'tracking')?.value;
    const written = entryOf(inProfile, 'uri')?.value;
    if (inProfile && written?.type === 'scalar' && typeof written.value === 'string')
      refuse(written.value, inProfile);
  }

  function refuse(address: string, node: Node): void {
    const { span } = scope.writtenAt(node, undefined, ['uri']);
    const what = credentialsIn(address);
    if (what === undefined) {
      if (!/^https?:\/\/[^/]/.test(address) && !hasExpression(address))
        problems.add(
          span,
          `'tracking.uri' is ${shown(address)}: it must be an address that is reached over http`,
          'start one with `mlflow server`, and write http://127.0.0.1:5000',
        );
      return;
    }
    problems.add(
      span,
      what === 'login'
        ? "'tracking.uri' has a name or a password in it, which would be kept with every run"
        : "'tracking.uri' has more than an address behind its '?' or '#', which would be kept with every run",
      'write the address alone (http://127.0.0.1:5000); secrets go into MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN',
    );
  }
}
