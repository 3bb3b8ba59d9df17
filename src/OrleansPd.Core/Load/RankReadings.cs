namespace OrleansPd.Core.Load;

/// <summary>Matches an engine's report of its ranks with the rows of the load table.</summary>
internal static class RankReadings
{
    /// <summary>The report for one row; if one row stands for all ranks, their sum, with the age of the oldest.</summary>
    public static RankReading? For(ImmutableArray<RankReading> ranks, int row, int rows)
    {
        RankReading? found = null;
        foreach (var rank in ranks)
        {
            if (rank.Rank == row || (rows == 1 && rank.Rank >= 0))
                found = found is { } sum ? Add(sum, rank) : rank;
        }
        return found;
    }

    private static RankReading Add(in RankReading left, in RankReading right) => left with
    {
        Running = left.Running + right.Running,
        Waiting = left.Waiting + right.Waiting,
        Sending = left.Sending + right.Sending,
        Tokens = left.Tokens + right.Tokens,
        Age = left.Age > right.Age ? left.Age : right.Age,
        Tick = left.Tick < right.Tick ? left.Tick : right.Tick,
    };
}
