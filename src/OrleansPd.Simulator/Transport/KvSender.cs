using System.Buffers.Binary;
using System.Net.Sockets;

namespace OrleansPd.Simulator.Transport;

internal sealed record Destination(KvLink Link, int Slot, int Blocks);

/// <summary>A room on a prefill rank. Its destination may arrive before the request, or long after the request failed.</summary>
internal sealed class PrefillRoom
{
    public TaskCompletionSource<Destination> Destination { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    public TaskCompletionSource Acknowledged { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    public SimRequest? Owner { get; set; }
    public bool AbortedByDecode { get; set; }

    /// <summary>
    /// Whether the transfer is complete and only the entry is left, as when a retracted request returns at once. The return of
    /// the same request means that too.
    /// </summary>
    public bool IsOver(string? rid)
    {
        if (rid is not null && Owner?.Rid == rid && Destination.Task.IsCompleted)
            Acknowledged.TrySetResult();
        return Acknowledged.Task.IsCompleted;
    }
}

/// <summary>The prefill rank's data port: takes destinations, sends KV.</summary>
internal sealed class KvSender : IAsyncDisposable
{
    private const int MaxRooms = 100_000;
    private const int FrameBytes = 64 << 10;

    private readonly ConcurrentDictionary<long, PrefillRoom> _rooms = new();
    private readonly ConcurrentDictionary<KvLink, byte> _links = new();
    private readonly TcpListener _listener;
    private readonly int _blockSize;
    private readonly string _abortDetail;
    private readonly Task _accepting;

    public KvSender(IPAddress address, int wireBytesPerToken, string abortDetail)
    {
        _blockSize = KvBlock.Size(wireBytesPerToken);
        _abortDetail = abortDetail;
        _listener = new TcpListener(address, 0);
        _listener.Start(512);
        Port = ((IPEndPoint)_listener.LocalEndpoint).Port;
        _accepting = AcceptAsync();
    }

    public int Port { get; }

    /// <summary>Enters a request into its room. Null where the room is taken by another.</summary>
    public PrefillRoom? Claim(long room, SimRequest request)
    {
        var entry = _rooms.AddOrUpdate(
            room, static (_, _) =>
                new PrefillRoom(), static (_, old, rid) => old.IsOver(rid) ? new PrefillRoom() : old, request.Rid);
        lock (entry)
        {
            if (entry.Owner is not null)
                return null;
            entry.Owner = request;
        }
        if (entry.AbortedByDecode)
            request.Cancel(_abortDetail);
        return entry;
    }

    /// <summary>Removes a room. A destination that arrives later is kept without a limit, as in SGLang.</summary>
    public void Close(long room, PrefillRoom entry) => _rooms.TryRemove(KeyValuePair.Create(room, entry));

    /// <summary>Sends all blocks and the word that they are all.</summary>
    public async Task SendAsync(
        Destination destination, long room, ulong[] blocks, int? corrupt, TokenOut first, int cached, CancellationToken ct)
    {
        await SendBlocksAsync(destination, blocks, corrupt, ct);
        var done = new byte[36];
        BinaryPrimitives.WriteInt64LittleEndian(done, room);
        BinaryPrimitives.WriteInt32LittleEndian(done.AsSpan(8), destination.Slot);
        BinaryPrimitives.WriteInt32LittleEndian(done.AsSpan(12), first.Id);
        BinaryPrimitives.WriteUInt64LittleEndian(done.AsSpan(16), first.Random);
        BinaryPrimitives.WriteDoubleLittleEndian(done.AsSpan(24), first.Logprob);
        BinaryPrimitives.WriteInt32LittleEndian(done.AsSpan(32), cached);
        await destination.Link.SendAsync(KvFrame.Done, done, ct);
    }

    /// <summary>Sends blocks from the first on; the receiver waits for the rest.</summary>
    public async Task SendBlocksAsync(Destination destination, ReadOnlyMemory<ulong> blocks, int? corrupt, CancellationToken ct)
    {
        var perFrame = Math.Max(1, FrameBytes / _blockSize);
        for (var from = 0; from < blocks.Length; from += perFrame)
        {
            var count = Math.Min(perFrame, blocks.Length - from);
            var payload = new byte[12 + count * _blockSize];
            BinaryPrimitives.WriteInt32LittleEndian(payload, destination.Slot);
            BinaryPrimitives.WriteInt32LittleEndian(payload.AsSpan(4), from);
            BinaryPrimitives.WriteInt32LittleEndian(payload.AsSpan(8), count);
            for (var i = 0; i < count; i++)
            {
                var block = payload.AsSpan(12 + i * _blockSize, _blockSize);
                KvBlock.Write(block, blocks.Span[from + i]);
                if (from + i == corrupt)
                    block[^1] ^= 1;
            }
            await destination.Link.SendAsync(KvFrame.Blocks, payload, ct);
        }
    }

    public async ValueTask DisposeAsync()
    {
        _listener.Dispose();
        foreach (var link in _links.Keys)
            link.Reset();
        await _accepting.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    private async Task AcceptAsync()
    {
        while (true)
        {
            var socket = await _listener.AcceptSocketAsync();
            socket.NoDelay = true;
            var link = new KvLink(socket);
            _links.TryAdd(link, 0);
            link.Closed.UnsafeRegister(_ => _links.TryRemove(link, out byte _), null);
            _ = link.ReadAllAsync((kind, payload) => Take(link, kind, payload.Span));
        }
    }

    private ValueTask Take(KvLink link, KvFrame kind, ReadOnlySpan<byte> payload)
    {
        var room = BinaryPrimitives.ReadInt64LittleEndian(payload);
        switch (kind)
        {
            case KvFrame.Destination when _rooms.Count < MaxRooms:
                _rooms.AddOrUpdate(
                    room, static _ => new PrefillRoom(), static (_, old) => old.IsOver(null) ? new PrefillRoom() : old)
                    .Destination.TrySetResult(new Destination(
                    link, BinaryPrimitives.ReadInt32LittleEndian(
                        payload[8..]), BinaryPrimitives.ReadInt32LittleEndian(payload[12..])));
                break;
            case KvFrame.Ack when _rooms.TryGetValue(room, out var entry):
                entry.Acknowledged.TrySetResult();
                break;
            case KvFrame.Abort when _rooms.TryGetValue(room, out var entry):
                lock (entry)
                    entry.AbortedByDecode = true;
                entry.Owner?.Cancel(_abortDetail);
                break;
        }
        return ValueTask.CompletedTask;
    }
}
