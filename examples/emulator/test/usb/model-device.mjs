/** A device at the end of a bus, without a controller: answers tokens as the test tells it. */
export class ModelDevice {
  constructor() {
    this.isAttached = true;
    this.log = [];
    this.answers = {};
    this.onReady = () => {};
    this.onPullUp = () => {};
  }

  startOfFrame(number) {
    this.log.push({ frame: number });
  }

  idle() {
    this.log.push('idle');
  }

  resume() {
    this.log.push('resume');
  }

  reset() {
    this.log.push('reset');
  }

  token({ kind, endpoint }) {
    const answer = this.answers[`${kind} ${endpoint}`] ?? 'nak';
    return typeof answer === 'function' ? answer() : answer;
  }

  pid(endpoint) {
    return this.pids?.[endpoint] ?? 0;
  }

  commit({ kind, endpoint }, data, pid) {
    this.log.push({ kind, endpoint, data, pid });
    this.onCommit?.({ kind, endpoint, data, pid });
  }

  get committed() {
    return this.log.filter((entry) => entry.kind);
  }
}
