using OrleansPd.Tools.Replay;

namespace OrleansPd.Tools.Demo;

/// <summary>Memory before, at each quarter of, and after a replay; it is flat if requests leave nothing behind.</summary>
internal sealed class MemoryWatch(IDemoStage stage, ReplayMeter meter, int requests, TimeProvider time)
{
    private const int Quarters = 4;

    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(100);

    private readonly List<MemorySample> _samples = [];

    /// <summary>At 0, 25, 50, 75 and 100 %.</summary>
    public IReadOnlyList<MemorySample> Samples => _samples;

    /// <summary>Starts the replay and samples memory until it ends.</summary>
    public async Task<ReplayReport> RunAsync(Func<Task<ReplayReport>> start)
    {
        _samples.Add(stage.Measure());
        var replay = start();
        while (!replay.IsCompleted)
        {
            var due = (long)requests * _samples.Count / Quarters;
            if (_samples.Count < Quarters && meter.Succeeded + meter.Failed >= due)
                _samples.Add(stage.Measure());
            else
                await Task.WhenAny(replay, Task.Delay(Pause, time, CancellationToken.None));
        }

        // A short replay may end between two samples.
        while (_samples.Count <= Quarters)
            _samples.Add(stage.Measure());

        return await replay;
    }
}
