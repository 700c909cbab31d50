# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Checks of kernels that send packets to other chips. `test_mesh.py` runs this file on boards of several chips."""

from collections.abc import Callable, Sequence

import pytest
import torch

import ttnn
import ttnn_emulator
from ttnn_emulator.errors import KernelDoesNotCompile, KernelFault, UnsupportedOperation
from ttnn_emulator.tests.kernels import programs
from ttnn_emulator.tests.mesh_checks import chips, fabric, mesh, place  # noqa: F401

PAGES = 4  # of a tensor, of 32 words each
SEEDS = 24
every_source = pytest.mark.parametrize("source", ["run", "sanitize"])

# What the bodies below call. A program has the tensors `sent`, `landing` and `result`, and buffer 0 as its own memory.
SHORTHANDS = """
#include "tt_metal/fabric/hw/inc/edm_fabric/fabric_connection_manager.hpp"
#include "tt_metal/fabric/hw/inc/linear/api.h"
#include "tt_metal/fabric/hw/inc/linear/addrgen_api.h"
using namespace tt::tt_fabric;
using namespace tt::tt_fabric::linear;
using namespace tt::tt_fabric::linear::experimental;
constexpr uint32_t pages = PAGES, page_bytes = 128;
const auto argument = [](uint32_t i) { return get_common_arg_val<uint32_t>(i); };
inline auto tensor(uint32_t i) { return TensorAccessor(TensorAccessorArgs<0>(), argument(i)); }
inline auto sent() { return tensor(0); }
inline auto landing() { return tensor(1); }
inline auto result() { return tensor(2); }
inline uint32_t memory(uint32_t page = 0) { return get_write_ptr(0) + page * page_bytes; }
inline volatile uint32_t* semaphore() { return reinterpret_cast<volatile uint32_t*>(uintptr_t(argument(3))); }
inline uint64_t its_semaphore() { return get_noc_addr(argument(3)); }  // the same place on another chip
inline void read_sent() {
    for (uint32_t i = 0; i < pages; i++) noc_async_read_page(i, sent(), memory(i));
    noc_async_read_barrier();
}
inline auto connection(size_t next = 0) {
    return WorkerToFabricEdmSender::build_from_args<ProgrammableCoreType::TENSIX>(next);
}
inline void send(WorkerToFabricEdmSender& to, volatile PACKET_HEADER_TYPE* header, uint32_t from, uint32_t bytes) {
    to.wait_for_empty_write_slot();
    if (bytes) to.send_payload_without_header_non_blocking_from_address(from, bytes);
    to.send_payload_flush_blocking_from_address(uint32_t(uintptr_t(header)), sizeof(PACKET_HEADER_TYPE));
}
"""
# The receiver copies what has landed, once the semaphore says that it has.
RECEIVE = """
noc_semaphore_wait(semaphore(), COUNT);
noc_semaphore_set(semaphore(), 0);
for (uint32_t i = 0; i < pages; i++) {
    noc_async_read_page(i, landing(), memory(pages + i));
    noc_async_read_barrier();
    noc_async_write_page(i, result(), memory(pages + i));
    noc_async_write_barrier();
}
"""
OPEN = "auto to = connection(); to.open(); auto* header = PacketHeaderPool::allocate_header();"
PAGE_BY_PAGE = f"""
read_sent();
{OPEN}
for (uint32_t i = 0; i < pages; i++) {{
    header->to_chip_unicast(HOPS);
    to_noc_unicast_write(page_bytes, header, i, landing());
    send(to, header, memory(i), page_bytes);
}}
header->to_noc_unicast_atomic_inc({{its_semaphore(), 1}});
send(to, header, 0, 0);
to.close();
"""


class Exchange:
    """The tensors and the semaphore of a test: on each chip other values in `sent`, and nothing in the others."""

    def __init__(self, mesh: ttnn.MeshDevice):  # noqa: F811
        self.mesh, self.count = mesh, mesh.get_num_devices()
        self.values = torch.arange(self.count * PAGES * 32).reshape(self.count, 1, PAGES, 32).to(torch.int32)
        mapper = ttnn.ShardTensorToMesh(mesh, dim=0)
        options = {"dtype": ttnn.uint32, "layout": ttnn.ROW_MAJOR_LAYOUT}
        self.sent = place(mesh, self.values, mapper, **options)
        self.landing = place(mesh, torch.zeros_like(self.values), mapper, **options)
        self.result = place(mesh, torch.zeros_like(self.values), mapper, **options)
        self.semaphore = ttnn.create_global_semaphore(mesh, programs.ONE, 0)
        self.described = ttnn.MeshProgramDescriptor()

    def coordinate(self, chip: int) -> ttnn.MeshCoordinate:
        return ttnn.MeshCoordinate(*divmod(chip, self.mesh.shape[1]))

    def node(self, chip: int) -> ttnn.FabricNodeId:
        return self.mesh.get_fabric_node_id(self.coordinate(chip))

    def add(self, chip: int, *bodies: str, to: int | None = None, first: Sequence[int] = ()) -> None:
        """Give a chip a program: a writer with this body, and a reader with the next.

        Its arguments are `first`, and those of a connection to the neighbour `to`.
        """
        tensors = [self.sent, self.landing, self.result]
        addresses = [tensor.buffer_address() for tensor in tensors]
        common = [*addresses, ttnn.get_global_semaphore_address(self.semaphore)]
        before = SHORTHANDS.replace("PAGES", str(PAGES))
        kernels = [
            make(body, before=before, common=common, tensors=tensors[:1], arguments={(0, 0): []})
            for make, body in zip((programs.writer, programs.reader), bodies)
        ]
        memory = programs.buffer(0, ttnn.uint32, 2 * PAGES, 128)
        described = programs.program(kernels, [memory])
        if to is not None:
            core = ttnn.CoreCoord(0, 0)
            arguments = ttnn.setup_fabric_connection(self.node(chip), self.node(to), 0, described, core)
            for kernel in described.kernels:
                kernel.runtime_args[0][0].extend([*first, *arguments])
        at = self.coordinate(chip)
        self.described[ttnn.MeshCoordinateRange(at, at)] = described

    def run(self, source: str = "run") -> list[torch.Tensor]:
        """Run the programs -> the result of each chip."""
        with ttnn_emulator.kernel_results(source, SEEDS):
            self.run_once()
        return chips(self.result)

    def run_once(self) -> None:
        ttnn.generic_op([self.sent, self.landing, self.result], self.described)


@pytest.fixture
def exchange(mesh) -> Exchange:  # noqa: F811
    return Exchange(mesh)


def received(count: int = 1) -> str:
    return RECEIVE.replace("COUNT", str(count))


def sends(body: str, hops: int = 1) -> str:
    return body.replace("HOPS", str(hops))


def check(results: Sequence[torch.Tensor], expected: Callable[[int], torch.Tensor]) -> None:
    for chip, result in enumerate(results):
        assert torch.equal(result.flatten().long(), expected(chip).flatten().long()), chip


@every_source
def test_a_neighbour_gets_the_pages(exchange, source):
    exchange.add(0, sends(PAGE_BY_PAGE), to=1)
    exchange.add(1, received())
    check(exchange.run(source), lambda chip: exchange.values[0] * (chip == 1))
    check(chips(exchange.landing), lambda chip: exchange.values[0] * (chip == 1))


@every_source
def test_packets_pass_chips_on_their_way(exchange, source):
    last = exchange.count - 1
    exchange.add(0, sends(PAGE_BY_PAGE, hops=last), to=1)
    exchange.add(last, received())
    check(exchange.run(source), lambda chip: exchange.values[0] * (chip == last))


@every_source
def test_all_chips_send_to_the_next(exchange, source):
    count = exchange.count
    for chip in range(count):
        exchange.add(chip, sends(PAGE_BY_PAGE), received(), to=(chip + 1) % count)
    for _ in range(2):  # the semaphores are zero again
        check(exchange.run(source), lambda chip: exchange.values[(chip - 1) % count])


MULTICAST = f"""
read_sent();
{OPEN}
header->to_chip_multicast(MulticastRoutingCommandHeader{{1, HOPS}});
for (uint32_t i = 0; i < pages; i++) {{
    to_noc_unicast_write(page_bytes, header, i, landing());
    send(to, header, memory(i), page_bytes);
}}
header->to_noc_unicast_atomic_inc({{its_semaphore(), 1}});
send(to, header, 0, 0);
to.close();
"""


@every_source
def test_all_chips_on_the_way_get_a_multicast(exchange, source):
    exchange.add(0, sends(MULTICAST, hops=exchange.count - 1), to=1)
    for chip in range(1, exchange.count):
        exchange.add(chip, received())
    check(exchange.run(source), lambda chip: exchange.values[0] * (chip > 0))


FORMS = {
    "a write that counts up": (
        f"""read_sent();
        {OPEN}
        header->to_chip_unicast(1);
        for (uint32_t i = 0; i < pages; i++) {{
            const NocUnicastAtomicIncCommandHeader counts{{its_semaphore(), 1}};
            to_noc_fused_unicast_write_atomic_inc(page_bytes, header, counts, i, landing());
            send(to, header, memory(i), page_bytes);
        }}
        to.close();""",
        PAGES,
        [],
    ),
    "two pages in a packet": (
        f"""read_sent();
        {OPEN}
        header->to_chip_unicast(1);
        for (uint32_t i = 0; i < pages; i += 2) {{
            to_noc_unicast_scatter_write(page_bytes, header, i, i + 1, landing());
            send(to, header, memory(i), 2 * page_bytes);
        }}
        header->to_noc_unicast_atomic_inc({{its_semaphore(), 1}});
        send(to, header, 0, 0);
        to.close();""",
        1,
        [],
    ),
    "a manager of both directions": (
        """read_sent();
        size_t next = 0;
        auto both = FabricConnectionManager::build_from_args<FabricConnectionManager::BUILD_AND_OPEN_CONNECTION>(next);
        auto* header = PacketHeaderPool::allocate_header();
        auto& to = both.has_forward_connection() ? both.get_forward_connection() : both.get_backward_connection();
        for (uint32_t i = 0; i < pages; i++) {
            const NocUnicastCommandHeader place{landing().get_noc_addr(i)};
            fabric_unicast_noc_unicast_write(&to, header, memory(i), page_bytes, place, 1);
            noc_async_writes_flushed();
        }
        fabric_unicast_noc_unicast_atomic_inc(&to, header, NocUnicastAtomicIncCommandHeader{its_semaphore(), 1}, 1);
        both.close();""",
        1,
        [0, 1],  # nothing forward, and a connection backward
    ),
    "a manager of routing planes": (
        """read_sent();
        RoutingPlaneConnectionManager plane;
        size_t next = 0;
        open_connections(plane, 1, next);
        const uint8_t route = PacketHeaderPool::allocate_header_n(1);
        uint8_t hops[] = {1};
        for (uint32_t i = 0; i < pages; i++) {
            const NocUnicastCommandHeader place{landing().get_noc_addr(i)};
            fabric_unicast_noc_unicast_write(plane, route, memory(i), page_bytes, place, hops);
            noc_async_writes_flushed();
        }
        fabric_unicast_noc_unicast_atomic_inc(
            plane, route, NocUnicastAtomicIncCommandHeader{its_semaphore(), 1}, hops);
        close_connections(plane);""",
        1,
        [0],  # the direction
    ),
}


@every_source
@pytest.mark.parametrize("form", FORMS)
def test_the_forms_of_sending(exchange, source, form):
    body, count, first = FORMS[form]
    exchange.add(0, body, to=1, first=first)
    exchange.add(1, received(count))
    check(exchange.run(source), lambda chip: exchange.values[0] * (chip == 1))


@every_source
def test_a_global_semaphore_keeps_its_value(exchange, source):
    body = f"{OPEN} header->to_chip_unicast(1); header->to_noc_unicast_atomic_inc({{its_semaphore(), 3}});"
    exchange.add(0, f"{body} send(to, header, 0, 0); to.close();", to=1)
    exchange.run(source)
    exchange.described = ttnn.MeshProgramDescriptor()
    exchange.add(1, received(3))
    exchange.run(source)  # it would wait for ever
    ttnn.reset_global_semaphore_value(exchange.semaphore, 5)
    exchange.described = ttnn.MeshProgramDescriptor()
    exchange.add(1, received(5))
    exchange.run(source)


def test_a_trace_sends_at_each_replay(exchange):
    exchange.add(0, sends(PAGE_BY_PAGE), to=1)
    exchange.add(1, received())
    exchange.run()
    trace = ttnn.begin_trace_capture(exchange.mesh, cq_id=0)
    exchange.run_once()
    ttnn.end_trace_capture(exchange.mesh, trace, cq_id=0)
    for factor in (2, 3):
        value = ttnn.from_torch(
            exchange.values * factor,
            dtype=ttnn.uint32,
            layout=ttnn.ROW_MAJOR_LAYOUT,
            mesh_mapper=ttnn.ShardTensorToMesh(exchange.mesh, dim=0),
        )
        ttnn.copy_host_to_device_tensor(value, exchange.sent)
        ttnn.execute_trace(exchange.mesh, trace, cq_id=0, blocking=True)
        check(chips(exchange.result), lambda chip, factor=factor: exchange.values[0] * factor * (chip == 1))
    ttnn.release_trace(exchange.mesh, trace)


SEND_ONE = "header->to_chip_unicast(1); to_noc_unicast_write(page_bytes, header, 0, landing());"
PAYLOAD = "to.send_payload_without_header_non_blocking_from_address(memory(), page_bytes);"
HEADER = "to.send_payload_flush_blocking_from_address(uint32_t(uintptr_t(header)), sizeof(PACKET_HEADER_TYPE));"
FAULTS = {
    "a payload is overwritten before it is sent": (
        f"read_sent(); {OPEN} {SEND_ONE} to.wait_for_empty_write_slot(); {PAYLOAD}"
        f"*reinterpret_cast<volatile uint32_t*>(uintptr_t(memory())) = 7; {HEADER} to.close();",
        "source changed: stores to buffer 0 page 0",
    ),
    "a header is overwritten before it is sent": (
        f"read_sent(); {OPEN} {SEND_ONE} to.wait_for_empty_write_slot(); {PAYLOAD}"
        "to.send_payload_flush_non_blocking_from_address(uint32_t(uintptr_t(header)), sizeof(PACKET_HEADER_TYPE));"
        "header->to_noc_unicast_atomic_inc({its_semaphore(), 1}); to.close();",
        "source changed: stores to L1",
    ),
    "no slot is awaited": (
        f"read_sent(); {OPEN} {SEND_ONE} {PAYLOAD} {HEADER} to.close();",
        "no free slot: a packet for fabric channel .*, of which no free slot was awaited",
    ),
    "one slot is awaited for two packets": (
        f"read_sent(); {OPEN} {SEND_ONE} to.wait_for_empty_write_slot();"
        f"{PAYLOAD} {HEADER} {PAYLOAD} {HEADER} to.close();",
        "no free slot",
    ),
    "a connection is used before it is open": (
        "auto to = connection(); to.open_start(); to.wait_for_empty_write_slot(); to.open_finish(); to.close();",
        "connection not open: fabric channel .*, which this kernel has not opened completely",
    ),
    "a connection is used after it is closed": (
        f"{OPEN} to.close(); to.wait_for_empty_write_slot();",
        "connection not open: fabric channel .*, which this kernel has not opened, or has closed",
    ),
    "a connection is not closed": (OPEN, "unfinished at the end: the connection to fabric channel .* is not closed"),
    "a packet has no route": (
        f"read_sent(); {OPEN} header->to_chip_unicast(0); to_noc_unicast_write(page_bytes, header, 0, landing());"
        "send(to, header, memory(), page_bytes); to.close();",
        "fabric packet: the packet's header has no route",
    ),
    "a packet goes to no tensor": (
        f"read_sent(); {OPEN} header->to_chip_unicast(1);"
        "header->to_noc_unicast_write(NocUnicastCommandHeader{get_noc_addr(0x100000)}, page_bytes);"
        "send(to, header, memory(), page_bytes); to.close();",
        "out of bounds: a NoC write of 128 bytes arrives in L1 0x100000 of core .0,0. of chip 1",
    ),
    "a payload is too large": (
        f"{OPEN} to.wait_for_empty_write_slot();"
        "to.send_payload_without_header_non_blocking_from_address(memory(), 4368); to.close();",
        "packet too large: 4368 bytes; a fabric packet carries 4352",
    ),
    "more headers are taken than there are": (
        "PacketHeaderPool::allocate_header(4); PacketHeaderPool::allocate_header(5);",
        "no free header: 5 packet headers more than the pool of this kernel has",
    ),
    "a group of headers is not there": (
        "PacketHeaderPool::allocate_header_n(2); PacketHeaderPool::get_num_headers(1);",
        "no such header: group 1 of packet headers; this kernel has 1",
    ),
    "the end does not wait for a packet's way to the router": (
        f"read_sent(); {OPEN} {SEND_ONE} send(to, header, memory(), page_bytes);",
        "unfinished at the end: [1-9] NoC writes without a barrier",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_found(exchange, fault):
    body, message = FAULTS[fault]
    exchange.add(0, body, to=1)
    with pytest.raises(KernelFault, match=message):
        exchange.run("sanitize")


def test_a_channel_that_is_not_there(exchange):
    body = "size_t next = 0; WorkerToFabricEdmSender::build_from_args<ProgrammableCoreType::TENSIX, true>(next).open();"
    exchange.add(0, body, to=1, first=[99, 0, 0])
    with pytest.raises(KernelFault, match="no such channel: fabric channel 99, by which this chip reaches no other"):
        exchange.run()


def test_two_kernels_hold_a_channel(exchange):
    exchange.add(0, f"{OPEN} noc_semaphore_wait(semaphore(), 1); to.close();", f"{OPEN} to.close();", to=1)
    with pytest.raises(KernelFault, match="connection in use: fabric channel .*, which inline kernel has opened"):
        exchange.run()


def test_a_receiver_that_nobody_tells(exchange):
    exchange.add(0, f"{OPEN} to.close();", to=1)
    exchange.add(1, received())
    with pytest.raises(
        KernelFault, match="deadlock: .*\n.*core .0,0. of chip 1: .* waits until the word at L1 .* is 1"
    ):
        exchange.run()


# A word that tells of a page may arrive before the page, as may an increment that does not flush.
TOO_EARLY = {
    "a word": "header->to_noc_unicast_inline_write({its_semaphore(), 1});",
    "an increment": "header->to_noc_unicast_atomic_inc({its_semaphore(), 1, false});",
}


@pytest.mark.parametrize("telling", TOO_EARLY)
def test_what_tells_of_pages_may_overtake_them(exchange, telling):
    flushed = "header->to_noc_unicast_atomic_inc({its_semaphore(), 1});"
    assert flushed in PAGE_BY_PAGE
    exchange.add(0, sends(PAGE_BY_PAGE.replace(flushed, TOO_EARLY[telling])), to=1)
    exchange.add(1, received())
    with pytest.raises(KernelFault, match="the results of seeds 0 and .* differ"):
        exchange.run("sanitize")
    check(exchange.run(), lambda chip: exchange.values[0] * (chip == 1))  # a plain run does not notice


def test_other_fabrics_are_refused(mesh_device_of_two_dimensions):
    exchange = Exchange(mesh_device_of_two_dimensions)
    exchange.add(0, f"{OPEN} to.close();", to=1)
    with pytest.raises(UnsupportedOperation, match="FABRIC_1D or FABRIC_1D_RING, not with .*FABRIC_2D"):
        exchange.run()


@pytest.fixture
def mesh_device_of_two_dimensions():
    ttnn.set_fabric_config(ttnn.FabricConfig.FABRIC_2D)
    device = ttnn.open_mesh_device(ttnn.MeshShape(1, ttnn.get_num_devices()))
    yield device
    ttnn.close_mesh_device(device)
    ttnn.set_fabric_config(ttnn.FabricConfig.DISABLED)


@pytest.mark.parametrize(
    "body, message",
    [
        ("get_next_hop_router_direction(0, 1);", "a fabric of two dimensions is not emulated"),
        ("fabric_set_unicast_route((HybridMeshPacketHeader*)0, 1, 0);", "a fabric of two dimensions is not emulated"),
        ("WorkerToFabricMuxSender<1> sender;", "WorkerToFabricMuxSender"),
        ("auto to = connection(); to.setup_stateful_send_cmd_bufs();", "setup_stateful_send_cmd_bufs"),
    ],
)
def test_what_is_not_there_is_named(exchange, body, message):
    exchange.add(0, body, to=1)
    with pytest.raises(KernelDoesNotCompile, match=message):
        exchange.run()


def test_the_size_of_a_packets_header(exchange):
    exchange.add(0, "static_assert(sizeof(PACKET_HEADER_TYPE) == 48);", to=1)
    exchange.run()
    assert ttnn.get_tt_fabric_packet_header_size_bytes() == 48
