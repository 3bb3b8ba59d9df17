using System.Buffers.Binary;
using System.Net.Sockets;
using OrleansPd.Simulator.Bootstrap;

namespace OrleansPd.Simulator.Transport;

/// <summary>The first token and the number of cached tokens.</summary>
internal sealed record KvArrival(TokenOut First, int CachedTokens);

/// <summary>KV on its way into one request slot.</summary>
internal sealed class Inbound(long room, int blocks)
{
    public long Room => room;
    public ulong[] Blocks { get; } = new ulong[blocks];
    public TaskCompletionSource<KvArrival> Completed { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
}

/// <summary>
/// The decode rank's end of the data plane. KV is written to the slot of the frame, even if another request has that slot by
/// then.
/// </summary>
internal sealed class KvReceiver(int slots, int wireBytesPerToken, TimeSpan connectTimeout, TimeProvider clock) : IDisposable
{
    private readonly Inbound?[] _slots = new Inbound?[slots];
    private readonly ConcurrentDictionary<RankAddress, Lazy<Task<KvLink?>>> _links = new();
    private readonly int _blockSize = KvBlock.Size(wireBytesPerToken);

    public Inbound Open(int slot, long room, int blocks) => _slots[slot] = new Inbound(room, blocks);

    public void Close(int slot) => _slots[slot] = null;

    /// <summary>Sends to a prefill rank. A rank that is not there loses the message without a word.</summary>
    public async Task<KvLink?> SendDestinationAsync(RankAddress rank, long room, int slot, int blocks, CancellationToken ct)
    {
        var payload = new byte[16];
        BinaryPrimitives.WriteInt64LittleEndian(payload, room);
        BinaryPrimitives.WriteInt32LittleEndian(payload.AsSpan(8), slot);
        BinaryPrimitives.WriteInt32LittleEndian(payload.AsSpan(12), blocks);
        return await SendAsync(rank, KvFrame.Destination, payload, ct);
    }

    public async Task SendAbortAsync(RankAddress rank, long room)
    {
        var payload = new byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(payload, room);
        await SendAsync(rank, KvFrame.Abort, payload, CancellationToken.None);
    }

    public void Dispose()
    {
        foreach (var link in _links.Values)
        {
            if (link is { IsValueCreated: true, Value: { IsCompletedSuccessfully: true } connected })
                connected.Result?.Reset();
        }
    }

    private async Task<KvLink?> SendAsync(RankAddress rank, KvFrame kind, byte[] payload, CancellationToken ct)
    {
        var lazy = _links.GetOrAdd(rank, key => new Lazy<Task<KvLink?>>(() => ConnectAsync(key)));
        var link = await lazy.Value.WaitAsync(ct);
        try
        {
            if (link is not null && !link.Closed.IsCancellationRequested)
            {
                await link.SendAsync(kind, payload, ct);
                return link;
            }
        }
        catch (IOException)
        {
            // Lost, as a message to a dead peer is.
        }
        _links.TryRemove(KeyValuePair.Create(rank, lazy));
        return null;
    }

    private async Task<KvLink?> ConnectAsync(RankAddress rank)
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            using var limit = new CancellationTokenSource(connectTimeout, clock);
            await socket.ConnectAsync(
                new IPEndPoint(await HttpHost.AddressOfAsync(rank.Ip, limit.Token), rank.Port), limit.Token);
        }
        catch (Exception e) when (e is SocketException or OperationCanceledException)
        {
            socket.Dispose();
            return null;
        }
        var link = new KvLink(socket);
        _ = link.ReadAllAsync((kind, payload) => TakeAsync(link, kind, payload));
        return link;
    }

    private async ValueTask TakeAsync(KvLink link, KvFrame kind, ReadOnlyMemory<byte> payload)
    {
        if (kind == KvFrame.Blocks)
        {
            Store(payload.Span);
        }
        else if (kind == KvFrame.Done)
        {
            Complete(payload.Span);
            await link.SendAsync(KvFrame.Ack, payload[..8], CancellationToken.None);
        }
    }

    private void Store(ReadOnlySpan<byte> payload)
    {
        var slot = BinaryPrimitives.ReadInt32LittleEndian(payload);
        var first = BinaryPrimitives.ReadInt32LittleEndian(payload[4..]);
        var count = BinaryPrimitives.ReadInt32LittleEndian(payload[8..]);
        if ((uint)slot >= (uint)_slots.Length || _slots[slot] is not { } inbound)
            return;
        for (var i = 0; i < count && (uint)(first + i) < (uint)inbound.Blocks.Length; i++)
            inbound.Blocks[first + i] = KvBlock.Read(payload.Slice(12 + i * _blockSize, _blockSize));
    }

    private void Complete(ReadOnlySpan<byte> payload)
    {
        var room = BinaryPrimitives.ReadInt64LittleEndian(payload);
        var slot = BinaryPrimitives.ReadInt32LittleEndian(payload[8..]);
        if ((uint)slot >= (uint)_slots.Length || _slots[slot] is not { } inbound)
            return;
        // Room 0 is read as "not arrived yet" and so never arrives.
        if (room == 0)
            return;
        if (inbound.Room != room)
        {
            inbound.Completed.TrySetException(new PdFailure("Metadata corruption detected - bootstrap_room mismatch"));
            return;
        }
        var first = new TokenOut(
            BinaryPrimitives.ReadInt32LittleEndian(payload[12..]), BinaryPrimitives.ReadDoubleLittleEndian(payload[24..]),
            BinaryPrimitives.ReadUInt64LittleEndian(payload[16..]));
        inbound.Completed.TrySetResult(new KvArrival(first, BinaryPrimitives.ReadInt32LittleEndian(payload[32..])));
    }
}
