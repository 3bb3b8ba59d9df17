using System.Collections.Concurrent;
using System.Diagnostics;
using System.Text;

namespace OrleansPd.Cluster.Tests.Processes;

/// <summary>Requests at some gateways, one after the other in a few lanes each, until it is ended; keeps what went wrong.</summary>
internal sealed class Load
{
    private const string Body = """{"text":"a steady load","sampling_params":{"max_new_tokens":4,"temperature":0}}""";
    private readonly CancellationTokenSource _stop = new();
    private readonly ConcurrentQueue<string> _failures = [];
    private readonly Task[] _lanes;
    private long _served;
    private long _slowest;

    public Load(int lanes, params SiloProcess[] gateways)
    {
        _lanes = [.. gateways.SelectMany(g => Enumerable.Range(0, lanes).Select(_ => RunAsync(g.Client)))];
    }

    public long Served => Interlocked.Read(ref _served);

    public async Task<(long Served, TimeSpan Slowest)> EndAsync()
    {
        await _stop.CancelAsync();
        await Task.WhenAll(_lanes);
        Assert.Empty(_failures);
        return (Served, TimeSpan.FromMilliseconds(Interlocked.Read(ref _slowest)));
    }

    private async Task RunAsync(HttpClient client)
    {
        while (!_stop.IsCancellationRequested)
        {
            var started = Stopwatch.GetTimestamp();
            try
            {
                using var content = new StringContent(Body, Encoding.UTF8, "application/json");
                using var response = await client.PostAsync("/generate", content, CancellationToken.None);
                if (!response.IsSuccessStatusCode)
                {
                    _failures.Enqueue($"{(int)response.StatusCode} {await response.Content.ReadAsStringAsync(CancellationToken.None)}");
                }
            }
            catch (Exception e)
            {
                _failures.Enqueue(e.Message);
            }
            Interlocked.Increment(ref _served);
            var took = (long)Stopwatch.GetElapsedTime(started).TotalMilliseconds;
            for (var most = Interlocked.Read(ref _slowest); took > most; most = Interlocked.Read(ref _slowest))
            {
                Interlocked.CompareExchange(ref _slowest, took, most);
            }
            await Task.Delay(5, CancellationToken.None);
        }
    }
}
