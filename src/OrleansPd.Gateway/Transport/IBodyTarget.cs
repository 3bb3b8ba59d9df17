namespace OrleansPd.Gateway.Transport;

/// <summary>
/// A connection that can read a long body to where it is wanted, instead of handing out blocks that are then copied.
/// </summary>
internal interface IBodyTarget
{
    /// <summary>
    /// The next bytes of the connection come into this memory, and what is read next lies in it from its beginning. It must be an
    /// array's, and stay untouched until that has been read or the connection has ended.
    /// </summary>
    void ReceiveInto(Memory<byte> rest);
}
