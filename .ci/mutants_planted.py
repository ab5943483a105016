"""Writes all mutants of a source file into it at once, each behind a switch.

`cargo mutants` says which mutants there are. It builds and tests one after the other, which takes half a minute each. Here
the expression `crate::mutant::is(NUMBER)` chooses between the original code and the mutant, so that one build has them all.
"""

import tree_sitter
import tree_sitter_rust

RUST = tree_sitter.Language(tree_sitter_rust.language())
COMPARISONS = {"==", "!=", "<", "<=", ">", ">="}

# The module `mutant` of the crate. Code that runs while the crate is compiled is never a mutant.
SWITCH = """\
//! Which mutant is switched on, by the variable MUTANT; and which are reached, in the file that MUTANTS_REACHED names.

extern crate std;

use core::sync::atomic::{AtomicBool, Ordering};
use std::{env, fs::OpenOptions, io::Write, path::PathBuf, string::String, sync::LazyLock};

static ON: LazyLock<u32> = LazyLock::new(|| {
    env::var("MUTANT").map_or(u32::MAX, |number: String| number.parse().expect("a number"))
});
static REACHED_FILE: LazyLock<Option<PathBuf>> = LazyLock::new(|| env::var_os("MUTANTS_REACHED").map(Into::into));
static REACHED: [AtomicBool; COUNT] = [const { AtomicBool::new(false) }; COUNT];

pub(crate) const fn is(number: u32) -> bool {
    core::intrinsics::const_eval_select((number,), never, now)
}

const fn never(_: u32) -> bool {
    false
}

fn now(number: u32) -> bool {
    if let Some(file) = &*REACHED_FILE
        && !REACHED[number as usize].swap(true, Ordering::Relaxed)
    {
        let mut file = OpenOptions::new().append(true).create(true).open(file).expect("a file");
        writeln!(file, "{number}").expect("it can be written");
    }
    number == *ON
}
"""
FEATURES = "#![feature(core_intrinsics, const_eval_select)]\n#![allow(internal_features)]\n"


def switch(count):
    """The text of the module `mutant`."""
    return SWITCH.replace("COUNT", str(count))


def is_on(mutant):
    return f"crate::mutant::is({mutant.number})"


class Planter:
    """Renders the tree of a file, with its mutants in the nodes that they change."""

    def __init__(self, source, mutants):
        self.source = source.encode()
        self.root = tree_sitter.Parser(RUST).parse(self.source).root_node
        starts = [0]
        for line in self.source.splitlines(keepends=True):
            starts.append(starts[-1] + len(line))
        self.line_starts = starts
        # The mutants of a node, by its range and kind: nodes are compared by value.
        self.at = {}
        self.lost = []
        for mutant in mutants:
            node = self.node_of(mutant)
            if node is None:
                self.lost.append(mutant)
            else:
                self.at.setdefault(self.key(node), []).append(mutant)

    @staticmethod
    def key(node):
        return node.start_byte, node.end_byte, node.type

    def offset(self, place):
        start = self.line_starts[place["line"] - 1]
        line = self.source[start : self.line_starts[place["line"]]].decode()
        return start + len(line[: place["column"] - 1].encode())

    def node_of(self, mutant):
        """The node that a mutant changes: a function's block, an expression, an arm, or an arm's pattern."""
        begin, end = (self.offset(mutant.span[which]) for which in ("start", "end"))
        node = self.root.descendant_for_byte_range(begin, end)
        wanted = {
            "FnValue": lambda node: node.type == "block" and node.parent.type == "function_item",
            "BinaryOperator": lambda node: node.type in ("binary_expression", "compound_assignment_expr"),
            "UnaryOperator": lambda node: node.type == "unary_expression",
            "MatchArm": lambda node: node.type == "match_arm",
            "MatchArmGuard": lambda node: node.type == "match_pattern",
        }[mutant.genre]
        if mutant.genre in ("BinaryOperator", "UnaryOperator"):
            # The parent of the operator. That of `let` chains is another node, which can be no other operator.
            node = node.parent
            return node if wanted(node) else None
        while node is not None and not wanted(node):
            node = node.parent
        return node

    def text(self):
        return self.render(self.root).decode()

    def render(self, node):
        mutants = self.at.get(self.key(node), [])
        if not mutants:
            return self.plain(node)
        return {
            "block": self.function,
            "binary_expression": self.binary,
            "compound_assignment_expr": self.assignment,
            "unary_expression": self.unary,
            "match_arm": self.arm,
            "match_pattern": self.guard,
        }[node.type](node, mutants)

    def plain(self, node, begin=None):
        """The source of a node with its children rendered, from the offset `begin` on."""
        begin = node.start_byte if begin is None else begin
        pieces = []
        for child in node.children:
            if child.start_byte < begin:
                continue
            pieces += [self.source[begin : child.start_byte], self.render(child)]
            begin = child.end_byte
        return b"".join([*pieces, self.source[begin : node.end_byte]])

    def function(self, node, mutants):
        returned = node.parent.child_by_field_name("return_type")
        body = self.plain(node, node.start_byte + 1)[:-1]
        if returned is not None and returned.type == "abstract_type":
            # All values that a function returns have one type, so the mutant is the same iterator without its items.
            for mutant in mutants:
                body = b"({%s}\n).take(if %s { 0 } else { usize::MAX })" % (body, is_on(mutant).encode())
            return b"{" + body + b"}"
        lines = [f"\nif {is_on(mutant)} {{ return {mutant.replacement}; }}" for mutant in mutants]
        return b"{" + "".join(lines).encode() + b"\n" + body + b"}"

    def choice(self, mutants, variant, original):
        """The variant that is switched on, or the original; each on a line of its own, to which errors can be assigned."""
        lines = [f"\nif {is_on(mutant)} {{ {variant(mutant)} }} else" for mutant in mutants]
        return ("".join(lines) + f" {{ {original} }}\n").encode()

    def binary(self, node, mutants):
        left, right = (node.child_by_field_name(side) for side in ("left", "right"))
        operator = node.child_by_field_name("operator").type
        left, right = self.render(left), self.render(right)
        if operator in ("&&", "||"):
            # Without a second copy of the right side: `a && b` is `if a { b } else { false }`.
            on = is_on(*mutants).encode()
            on = on if operator == "&&" else b"!" + on
            return b"(if (%s) != %s {\n%s\n} else { %s })" % (left, on, right, on)
        if operator in COMPARISONS:
            choice = self.choice(mutants, lambda mutant: f"*l {mutant.replacement} *r", f"*l {operator} *r")
            return b"(match (&(%s), &(%s)) { (l, r) => %s })" % (left, right, choice)
        choice = self.choice(mutants, lambda mutant: f"l {mutant.replacement} r", f"l {operator} r")
        return b"(match ((%s), (%s)) { (l, r) => %s })" % (left, right, choice)

    def assignment(self, node, mutants):
        left, right = (self.render(node.child_by_field_name(side)) for side in ("left", "right"))
        operator = node.child_by_field_name("operator").type
        place = left.decode()
        choice = self.choice(mutants, lambda mutant: f"{place} {mutant.replacement} r", f"{place} {operator} r")
        return b"match (%s) { r => %s }" % (right, choice)

    def unary(self, node, mutants):
        operator = node.children[0].type
        operand = self.plain(node, node.children[0].end_byte)
        return b"(match (%s) { r => %s })" % (operand, self.choice(mutants, lambda _: "r", f"{operator}r"))

    def arm(self, node, mutants):
        pattern = node.child_by_field_name("pattern")
        before = self.source[node.start_byte : pattern.start_byte]
        off = " && ".join(f"!{is_on(mutant)}" for mutant in mutants)
        guards = self.at.get(self.key(pattern), [])
        return b"%s%s\n%s" % (before, self.pattern(pattern, guards, off), self.plain(node, pattern.end_byte))

    def guard(self, node, mutants):
        return self.pattern(node, mutants, None)

    def pattern(self, node, mutants, off):
        """A pattern whose guard is true or false if a mutant says so, and which matches nothing unless `off`."""
        condition = node.child_by_field_name("condition")
        if condition is None:
            return self.plain(node) + (f" if {off}" if off else "").encode()
        head = self.source[node.start_byte : condition.start_byte].rstrip()
        guard = self.render(condition)
        for mutant in mutants:
            guard = b"(%s)" % guard
            if mutant.replacement == "true":
                guard = b"\n%s || %s" % (is_on(mutant).encode(), guard)
            else:
                guard = b"\n!%s && %s" % (is_on(mutant).encode(), guard)
        if off:
            guard = b"%s && (%s)" % (off.encode(), guard)
        return head + b" " + guard + b"\n"
