using OrleansPd.Engines.Requests;

namespace OrleansPd.Engines.Tests.Requests;

public sealed class PrefixBlocksTests
{
    [Fact]
    public void Equal_beginnings_share_blocks_and_nothing_after_the_first_difference()
    {
        var shared = string.Concat(Enumerable.Range(0, 40).Select(number => $"word {number} "));
        var first = Blocks($$"""{"text":"{{shared}}one {{new string('x', 200)}}"}""", Dialect.Generate);
        var second = Blocks($$"""{"stream":true,"text":"{{shared}}two {{new string('x', 200)}}"}""", Dialect.Generate);
        var common = shared.Length / 32;
        Assert.Equal(first[..common], second[..common]);
        Assert.Empty(first[common..].Intersect(second[common..]));
        Assert.Equal(first.Length, first.Distinct().Count());
    }

    [Fact]
    public void A_longer_conversation_begins_with_the_blocks_of_the_shorter_one()
    {
        var turn = $$"""{"role":"user","content":"{{new string('q', 100)}}"}""";
        var first = Blocks($$"""{"messages":[{{turn}}]}""", Dialect.Chat);
        var second = Blocks($$"""{"messages":[{{turn}},{{turn}}]}""", Dialect.Chat);
        Assert.Equal(4, first.Length);
        Assert.Equal(first, second[..4]);
    }

    [Fact]
    public void Whitespace_between_ids_does_not_matter()
    {
        var ids = Enumerable.Range(1000, 100);
        var tight = Blocks($$"""{"input_ids":[{{string.Join(',', ids)}}]}""", Dialect.Generate);
        Assert.Equal(tight, Blocks($$"""{"input_ids":[ {{string.Join(",\n ", ids)}}]}""", Dialect.Generate));
        Assert.Equal(tight, Blocks($$"""{"input_ids":[[{{string.Join(", ", ids)}}],[1]]}""", Dialect.Generate));
        Assert.Equal(499 / 32, tight.Length);
    }

    [Fact]
    public void The_hashes_are_the_same_in_every_process_and_their_number_is_limited()
    {
        var blocks = Blocks($$"""{"text":"{{new string('a', 64)}}"}""", Dialect.Generate);
        Assert.Equal(Golden, blocks);
        var body = Scan.Utf8($$"""{"text":"{{new string('a', 640)}}"}""");
        Assert.Equal(3, PrefixBlocks.Compute(body, Scan.Ok(body, Dialect.Generate), 32, new ulong[3]));
        Assert.Throws<ArgumentOutOfRangeException>(
            () => PrefixBlocks.Compute(body, Scan.Ok(body, Dialect.Generate), 33, new ulong[3]));
    }

    private static readonly ulong[] Golden = [6633129030626977249, 13909571463006369412];

    private static ulong[] Blocks(string body, Dialect dialect)
    {
        var bytes = Scan.Utf8(body);
        var hashes = new ulong[64];
        return hashes[..PrefixBlocks.Compute(bytes, Scan.Ok(bytes, dialect), 32, hashes)];
    }
}
