using OrleansPd.Simulator.Model;

namespace OrleansPd.Simulator.Tests;

public sealed class TokenizerTests
{
    [Fact]
    public void Text_of_the_model_is_cut_into_the_tokens_it_was_made_of()
    {
        var seed = Environment.TickCount;
        var random = new Random(seed);
        const string Letters = "abcdefghijklmnop  \n\t\"\\{}é日🙂.,";
        for (var round = 0; round < 300; round++)
        {
            var prompt = string.Concat(
                Enumerable.Range(0, random.Next(1, 80)).Select(_ => Letters[random.Next(Letters.Length - 3)]));
            var head = ReferenceModel.Tokenize(prompt);
            var (said, ids, _) = ReferenceModel.Run(head, new Sampling { MaxNewTokens = 30, IgnoreEos = true });
            Assert.True(
                ReferenceModel.Tokenize(prompt + said)
                    .SequenceEqual([.. head, .. ids]), $"seed {seed}, round {round}, prompt '{prompt}'");
            Assert.Equal(said, ReferenceModel.Detokenize(ids));
        }
    }

    [Fact]
    public void The_vocabulary_has_words_that_need_care()
    {
        var said = string.Concat(
            Enumerable.Range(0, 40).Select(i => ReferenceModel.Complete($"p{i}", 200, new Sampling { IgnoreEos = true })));
        Assert.All(new[] { "\"", "\\", "\n", "🙂", "日本", "é", "<b>" }, part =>
            Assert.Contains(part, said, StringComparison.Ordinal));
        var plain = string.Concat(Enumerable.Range(0, 40).Select(i =>
            ReferenceModel.Complete($"p{i}", 200, new Sampling { IgnoreEos = true }, new ModelOptions { FancyTokens = false })));
        Assert.All(plain, c => Assert.True(c is ' ' or (>= 'a' and <= 'z')));
    }

    [Fact]
    public void Answers_end_by_themselves_now_and_then()
    {
        var finishes = Enumerable.Range(0, 200).Select(
            i => ReferenceModel.Run(ReferenceModel.Tokenize($"q{i}"), new Sampling { MaxNewTokens = 150 }).Finish).ToList();
        Assert.Contains("stop", finishes);
        Assert.Contains("length", finishes);
    }

    [Fact]
    public void Neighbouring_tokens_never_lead_to_the_same_answer()
    {
        var answers = Enumerable.Range(0, 2000)
            .Select(i => ReferenceModel.CompleteTokens([7, i, 9], 12, new Sampling { IgnoreEos = true })).ToHashSet();
        Assert.Equal(2000, answers.Count);
        var states = Enumerable.Range(0, 100_000).Select(i => Mixing.Fold(42, (ulong)i)).ToHashSet();
        Assert.Equal(100_000, states.Count);
    }

    [Fact]
    public void Another_seed_gives_another_answer()
    {
        Assert.NotEqual(ReferenceModel.Complete("same", 20), ReferenceModel.Complete("same", 20, new Sampling { Seed = 5 }));
        Assert.Equal(ReferenceModel.Complete(
            "same", 20, new Sampling { Seed = 5 }), ReferenceModel.Complete("same", 20, new Sampling { Seed = 5 }));
    }
}
