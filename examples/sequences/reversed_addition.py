"""Sums of two numbers of up to two digits, read and written as text, last digit first.

"45+7" comes in as "54+7 " and "52" is to come out as "25 ". An LSTM reads the question character by
character; a second one gets what the first one knows at the end, at every step, and writes the
answer. After the ``addition_rnn`` example of Keras, where two digits, 5,000 examples and 128 units
suffice for 99 %.

No sum is asked for in the test that was trained on, in neither order of its numbers.

Run: ``python examples/sequences/reversed_addition.py``
"""

import argparse

import numpy as np

import chainrule as cr
from chainrule import nn, optim

LETTERS = "0123456789+ "
QUESTION, ANSWER, UNITS = 5, 3, 128


def written(text, length):
    """The numbers of the letters, each number in the text backwards, blanks at the end."""
    backwards = "+".join(part[::-1] for part in text.split("+"))
    return [LETTERS.index(letter) for letter in backwards.ljust(length)]


def read(ids):
    """The number that an answer says, or -1 if it says none."""
    text = "".join(LETTERS[i] for i in ids).rstrip()
    return int(text[::-1]) if text.isdigit() else -1


def questions(pairs):
    """Ids ``(batch, 5)`` of questions and ``(batch, 3)`` of answers."""
    asked = [written(f"{a}+{b}", QUESTION) for a, b in pairs]
    answers = [written(str(a + b), ANSWER) for a, b in pairs]
    return np.array(asked), np.array(answers)


def split_pairs(rng, count=5_000, held_out=550):
    """``count`` pairs to train on, and all sums of others, in both orders."""
    pairs = rng.permutation([(a, b) for a in range(100) for b in range(a, 100)])
    both = [np.concatenate([part, part[:, ::-1]]) for part in np.split(pairs, [held_out])]
    test, known = (rng.permutation(np.unique(part, axis=0)) for part in both)
    return known[:count], test


class Adder(nn.Module):
    """Reads a question, then writes the answer."""

    reader: nn.LSTM
    writer: nn.LSTM
    head: nn.Linear

    def __call__(self, question):
        _, states = self.reader(nn.one_hot(question, len(LETTERS)))
        known = self.reader.last(states)[:, None]
        answer, _ = self.writer(cr.broadcast_to(known, (known.shape[0], ANSWER, UNITS)))
        return self.head(answer)


def cost(model, question, answer):
    return nn.cross_entropy(model(question), answer)


def sums_right(model, question, answer):
    """The share of answers in which every letter is right."""
    written = cr.argmax(model(question), -1)
    return cr.mean(cr.all(written == answer, -1).astype("float32"))


def main():
    parser = argparse.ArgumentParser(description="Addition of two-digit numbers as text.")
    parser.add_argument("--epochs", type=int, default=150)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    rng = np.random.default_rng(chosen.seed)
    pairs, others = split_pairs(rng)
    train, test = questions(pairs), questions(others)
    model = Adder(
        nn.LSTM(len(LETTERS), UNITS, rng=rng),
        nn.LSTM(UNITS, UNITS, rng=rng),
        nn.Linear(UNITS, len(LETTERS), rng=rng),
    )
    steps = chosen.epochs * -(-len(pairs) // 128)
    model, history = cr.fit(
        model,
        cost,
        train,
        optimizer=optim.chain(optim.adam(5e-3), optim.cosine(steps)),
        epochs=chosen.epochs,
        batch_size=128,
        progress=True,
        rng=rng,
    )
    right = cr.evaluate(model, sums_right, test)
    print(f"{len(pairs)} sums trained on, loss {history[-1]['loss']:.5f}")
    print(f"{right:.2%} of {len(others)} others are right")
    answers = cr.argmax(model(test[0][:5]), -1).tolist()
    for (a, b), ids in zip(others[:5], answers, strict=True):
        print(f"{a} + {b} = {read(ids)}")


if __name__ == "__main__":
    main()
