using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Time.Testing;
using OrleansPd.Core.Options;
using OrleansPd.Core.Requests;
using OrleansPd.Core.Workers;
using OrleansPd.Gateway.Tests.Support;
using OrleansPd.Standalone;
using OrleansPd.Testing;

namespace OrleansPd.Gateway.Tests.Standalone;

/// <summary>A log that blocks (a full pipe) stops neither admission nor the threads that report legs.</summary>
public sealed class BlockedLogTests
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(30);

    [Fact]
    public async Task Requests_are_admitted_and_legs_reported_while_the_log_blocks()
    {
        var token = TestContext.Current.CancellationToken;
        var probe = new FakeProbe();
        var options = new ControlPlaneOptions { Policy = "least_load" };
        options.Workers.Add(Worker("p", WorkerRole.Prefill));
        options.Workers.Add(Worker("d", WorkerRole.Decode));
        options.Workers.Add(Worker("d2", WorkerRole.Decode));
        foreach (var host in (string[])["p", "d", "d2", "d3"])
            probe.Up(host);
        using var log = new BlockingLog();
        await using var plane = EmbeddedControlPlane.Create(options, probe, new FakeTimeProvider(), seed: 7, log);
        await plane.StartAsync(token);
        await LiveStage.UntilAsync(
            () => plane.Fleet.Workers.Length == 3 && plane.Fleet.Workers.All(w => w.Phase == WorkerPhase.Ready), Limit);

        log.Block();
        try
        {
            // Each of these writes to the log; each runs on a thread of its own, so that a blocked one fails the test in time.
            await WithinLimit(async () => await plane.AddAsync(Worker("d3", WorkerRole.Decode), token));
            await WithinLimit(async () => await plane.RemoveAsync(WorkerAddress.IdOf(new("http://d2:1")), true, token));
            Assert.True(log.IsBlocking(Limit));
            var lease = (await WithinLimit(async () => await plane.AcquireAsync(new PairRequest(), token))).Lease!;
            await WithinLimit(() =>
            {
                plane.LegEnded(lease, LegSide.Prefill, LegOutcome.Failed);
                plane.LegEnded(lease, LegSide.Decode, LegOutcome.Failed);
                return Task.FromResult(true);
            });
            Assert.NotNull((await WithinLimit(async () => await plane.AcquireAsync(new PairRequest(), token))).Lease);
        }
        finally
        {
            log.Release();
        }
        // Nothing is lost: the lines come when the log works again.
        await LiveStage.UntilAsync(() => log.Lines.Any(l => l.Contains("d2", StringComparison.Ordinal)), Limit);

        static async Task<T> WithinLimit<T>(Func<Task<T>> call) => await Task.Run(call).WaitAsync(Limit);
    }

    private static WorkerSpec Worker(string host, WorkerRole role) => new() { Url = new Uri($"http://{host}:1"), Role = role };

    private sealed class BlockingLog : ILogger, IDisposable
    {
        private readonly ManualResetEventSlim _open = new(initialState: true);
        private readonly ManualResetEventSlim _isBlocking = new();
        private readonly System.Collections.Concurrent.ConcurrentQueue<string> _lines = new();

        public IEnumerable<string> Lines => _lines;

        public void Block() => _open.Reset();

        public void Release() => _open.Set();

        public bool IsBlocking(TimeSpan limit) => _isBlocking.Wait(limit);

        public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(
            LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (!_open.IsSet)
            {
                _isBlocking.Set();
                _open.Wait();
            }
            _lines.Enqueue(formatter(state, exception));
        }

        public void Dispose()
        {
            _open.Dispose();
            _isBlocking.Dispose();
        }
    }
}
