using System.Text;
using BenchmarkDotNet.Attributes;
using OrleansPd.Core.Attempts;
using OrleansPd.Engines.Answers;
using OrleansPd.Engines.Requests;

namespace OrleansPd.Benchmarks.Micro;

/// <summary>What is done to the body of every request: the scan, the hashes of its prompt, and the splice of one leg.</summary>
public class BodyBenchmarks
{
    private readonly RequestShape _shape = new();
    private readonly ulong[] _hashes = new ulong[4096];
    private readonly byte[] _target = new byte[4 << 20];
    private byte[] _body = [];

    [Params("1KB", "64KB", "1MB")]
    public string Size { get; set; } = "";

    [GlobalSetup]
    public void Setup()
    {
        _body = JsonBenchmarks.ChatRequest(Size);
        Scan();
    }

    [Benchmark]
    public long Scan() => RequestScanner.TryScan(_body, Dialect.Chat, ScanLimits.Default, _shape, out var error)
        ? _shape.PromptTokensEstimate
        : throw new InvalidOperationException(error.Message);

    [Benchmark]
    public int PrefixHashes() => PrefixBlocks.Compute(_body, _shape, 512, _hashes) is > 0 and var count ? count
        : _body.Length < 2048 ? 0 : throw new InvalidOperationException("no blocks");

    [Benchmark]
    public int Splice()
    {
        using var spliced = BodySplicer.Splice(_body, _shape, new LegMembers
        {
            BootstrapHost = "10.0.0.11",
            BootstrapPort = 8998,
            Room = 4611686018427387905,
            RoutedDpRank = 2,
            DisaggPrefillDpRank = 2,
            Rid = "0123456789abcdef0123456789abcdef",
        });
        return spliced.Length > _body.Length ? spliced.SegmentCount : throw new InvalidOperationException("nothing was added");
    }

    [Benchmark]
    public int SpliceAndCopy()
    {
        using var spliced = BodySplicer.Splice(
            _body, _shape, new LegMembers
            {
                BootstrapHost = "10.0.0.11",
                BootstrapPort = 8998,
                Room = 1,
                Rid = "0123456789abcdef"
            });
        spliced.CopyTo(_target);
        return spliced.Length;
    }
}

/// <summary>One attempt on a pair as the state machine sees it, and cutting an answer's stream into its events.</summary>
public class AnswerBenchmarks
{
    private const int Events = 128;
    private readonly SseFramer _framer = new();
    private readonly byte[] _stream = Encoding.UTF8.GetBytes(
        string.Concat(Enumerable.Range(0, Events).Select(i =>
            $$$"""data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1781167822,"model":"m","choices":[{"index":0,"delta":{"content":"word {{{i}}}"},"finish_reason":null}]}""" + "\n\n")));

    /// <summary>Bytes that arrive at a time: whole events, and pieces of them.</summary>
    [Params(4096, 100)]
    public int Chunk { get; set; }

    [Benchmark]
    public bool DispatchAttempt()
    {
        var state = DispatchState.Start(regular: false, needsPrefillAnswer: false);
        state = state.On(DispatchEvent.PrefillEnded(LegEnd.Ok), out _);
        state = state.On(DispatchEvent.DecodeOutput, out var first);
        state = state.On(DispatchEvent.DecodeEnded(LegEnd.Ok), out var last);
        return first == DispatchActions.Commit && last == DispatchActions.Decided && state.IsClosed ? true
            : throw new InvalidOperationException($"{first}, {last}");
    }

    [Benchmark]
    public int FrameStreamOf128Events()
    {
        var found = 0;
        for (var at = 0; at < _stream.Length; at += Chunk)
        {
            ReadOnlySpan<byte> chunk = _stream.AsSpan(at, Math.Min(Chunk, _stream.Length - at));
            while (_framer.Read(ref chunk, out _) == SseReadResult.Event)
                found++;
        }
        return found == Events ? found : throw new InvalidOperationException($"{found} events");
    }
}
