using OrleansPd.Core.Load;
using OrleansPd.Testing;

namespace OrleansPd.Core.Tests.Load;

public sealed class RankTreeTests
{
    private readonly record struct Rank(long Score, int Items, long Tokens);

    [Fact]
    public void Every_search_finds_what_a_scan_finds() => SeededRandom.ForEachSeed(50, random =>
    {
        var ranks = new Rank[random.Next(1, 40)];
        var tree = new RankTree(ranks.Length);
        Array.Fill(ranks, new Rank(RankTree.Closed, 0, 0));
        for (var step = 0; step < 300; step++)
        {
            var leaf = random.Next(ranks.Length);
            ranks[leaf] = random.Next(4) == 0
                ? new Rank(RankTree.Closed, 0, 0)
                : new Rank(random.Next(1000) * 64L + leaf, random.Next(1, 6), random.Next(5) == 0 ? long.MaxValue
                    : random.Next(1, 100));
            tree.Set(leaf, ranks[leaf].Score, ranks[leaf].Items, ranks[leaf].Tokens);
            var (items, tokens, from) = (random.Next(1, 7), random.Next(1, 110), random.Next(ranks.Length + 1));
            var to = random.Next(from, ranks.Length + 1);
            Assert.Equal(Scan(ranks, 0, 0, 0, 0), tree.Argmin());
            Assert.Equal(Scan(ranks, 0, 0, from, to), tree.ArgminExcept(from, to));
            Assert.Equal(Scan(ranks, items, tokens, from, to), tree.ArgminWithRoom(items, tokens, from, to));
        }
    });

    private static int Scan(Rank[] ranks, int items, long tokens, int from, int to)
    {
        var best = -1;
        for (var leaf = 0; leaf < ranks.Length; leaf++)
        {
            var usable = ranks[leaf].Score != RankTree.Closed && ranks[leaf].Items >= items && ranks[leaf].Tokens >= tokens;
            if (usable && (leaf < from || leaf >= to) && (best < 0 || ranks[leaf].Score < ranks[best].Score))
                best = leaf;
        }
        return best;
    }
}
