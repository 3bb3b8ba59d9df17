namespace OrleansPd.Simulator.Ranks;

internal sealed record LoadSnapshot(
    DateTimeOffset At, int Running, int Waiting, int Bootstrap, int Inflight, int Prealloc, int Transfer, int DecodeWaiting,
    long UsedTokens, long Generated, long Hits, long Prompts, long Uncached);

/// <summary>
/// The load figures a rank shows. As with SGLang they are refreshed with prefill batches, every fifteenth decode step, and
/// while the rank is completely idle, but not while requests only wait.
/// </summary>
internal sealed class LoadBoard(RankStats stats, TimeProvider clock)
{
    public const int PublishEverySteps = 15;

    private LoadSnapshot _shown = Take(stats, clock);

    public LoadSnapshot Read()
    {
        var busy = stats.Running + stats.Waiting + stats.BootstrapQueue + stats.InflightQueue + stats.PreallocQueue
            + stats.TransferQueue;
        if (busy == 0)
            Publish();
        return Volatile.Read(ref _shown);
    }

    public void Publish() => Volatile.Write(ref _shown, Take(stats, clock));

    private static LoadSnapshot Take(RankStats stats, TimeProvider clock) => new(
        clock.GetUtcNow(), stats.Running, stats.Waiting, stats.BootstrapQueue, stats.InflightQueue, stats.PreallocQueue,
        stats.TransferQueue, stats.At(Stage.DecodeWaiting), stats.LiveKvTokens, stats.GeneratedTokens, stats.CacheHitTokens,
        stats.PromptTokens, Volatile.Read(ref stats.PrefillUncachedTokens));
}
