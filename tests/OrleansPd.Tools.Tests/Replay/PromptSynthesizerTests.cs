using OrleansPd.Tools.Replay;
using OrleansPd.Tools.Traces;

namespace OrleansPd.Tools.Tests.Replay;

public sealed class PromptSynthesizerTests
{
    private readonly PromptSynthesizer _prompts = new(blockSize: 8, seed: 1);

    [Fact]
    public void Prompts_share_a_prefix_exactly_as_far_as_their_blocks()
    {
        var one = _prompts.Ids(new(default, 30, 1, [1, 2, 3, 4]), 0);
        var other = _prompts.Ids(new(default, 30, 1, [1, 2, 9, 4]), 1);

        Assert.Equal(one[..16], other[..16]);
        Assert.All(Enumerable.Range(16, 8), at => Assert.NotEqual(one[at], other[at]));
        Assert.Equal(one[24..], other[24..]);
    }

    [Fact]
    public void Where_the_trace_names_no_block_no_two_prompts_are_alike()
    {
        var request = new TraceRequest(default, 16, 1, []);

        Assert.Empty(_prompts.Ids(request, 0).Intersect(_prompts.Ids(request, 1)));
    }

    [Fact]
    public void Text_and_ids_are_the_same_tokens()
    {
        var request = new TraceRequest(default, 20, 1, [5]);

        Assert.Equal(_prompts.Ids(request, 3).Select(id => $"w{id}"), _prompts.Text(request, 3).Split(' '));
    }

    [Fact]
    public void The_seed_changes_the_words()
    {
        var request = new TraceRequest(default, 20, 1, [5]);

        Assert.NotEqual(_prompts.Ids(request, 0), new PromptSynthesizer(8, 2).Ids(request, 0));
        Assert.Equal(_prompts.Ids(request, 0), new PromptSynthesizer(8, 1).Ids(request, 0));
    }
}
