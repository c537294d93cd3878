// Who is served next when there is not enough for all: round robin over groups, first come first served within one.
// Owns only the order. Invariant: between two turns of a group that keeps waiting, no other group has two turns.
// Every operation takes constant time, however many wait.

export interface Waiting {
  /** Takes the item out of the queue; false when it was served or removed before. */
  remove(): boolean;
}

interface Node<T> {
  readonly value: T;
  previous: Node<T> | undefined;
  next: Node<T> | undefined;
  linked: boolean;
}

/** Doubly linked: a Map or Set used as a queue scans the entries deleted from its front. */
class List<T> {
  head: Node<T> | undefined;
  #tail: Node<T> | undefined;

  append(value: T): Node<T> {
    const node: Node<T> = { value, previous: this.#tail, next: undefined, linked: true };
    if (this.#tail) this.#tail.next = node;
    else this.head = node;
    this.#tail = node;
    return node;
  }

  remove(node: Node<T>): boolean {
    if (!node.linked) return false;
    node.linked = false;
    if (node.previous) node.previous.next = node.next;
    else this.head = node.next;
    if (node.next) node.next.previous = node.previous;
    else this.#tail = node.previous;
    return true;
  }
}

interface Group<T> {
  readonly name: string;
  readonly items: List<T>;
}

export class FairQueue<T> {
  /** The groups in the order of their turns. */
  readonly #round = new List<Group<T>>();
  /** Where each group stands in the round; groups without items are forgotten. */
  readonly #turns = new Map<string, Node<Group<T>>>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  push(groupName: string, item: T): Waiting {
    const group = this.#turns.get(groupName)?.value ?? this.#enter({ name: groupName, items: new List<T>() });
    const node = group.items.append(item);
    this.#size += 1;
    return { remove: () => this.#take(group, node) };
  }

  /** The item whose turn it is; its group goes to the end of the round. */
  shift(): T | undefined {
    const group = this.#round.head?.value;
    const node = group?.items.head;
    if (!group || !node) return undefined;
    this.#leave(group);
    this.#enter(group);
    this.#take(group, node);
    return node.value;
  }

  #enter(group: Group<T>): Group<T> {
    this.#turns.set(group.name, this.#round.append(group));
    return group;
  }

  #leave(group: Group<T>): void {
    const turn = this.#turns.get(group.name);
    if (turn) this.#round.remove(turn);
    this.#turns.delete(group.name);
  }

  #take(group: Group<T>, node: Node<T>): boolean {
    if (!group.items.remove(node)) return false;
    this.#size -= 1;
    if (!group.items.head) this.#leave(group);
    return true;
  }
}
